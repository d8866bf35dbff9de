using System.Buffers;
using System.Globalization;
using System.Text;
using WgMesh.Engine.Device;

namespace WgMesh.Engine.Uapi;

/// <summary>
/// Writes the answers of the UAPI (https://www.wireguard.com/xplatform/, "Configuration Protocol"), as wireguard-go writes them: a private
/// key, port, mark or endpoint that is not set is left out, a preshared key that is not set is all zero.
/// </summary>
internal static class UapiFormatter
{
    // upper bounds, so that the buffer never grows: growing would leave copies of keys behind
    private const int DeviceBytes = 256, PeerBytes = 640, AllowedIpBytes = 64;

    /// <summary>The answer to <c>get=1</c>, with its <c>errno=0</c> and empty line. It holds secrets: clear it after use.</summary>
    public static ArrayBufferWriter<byte> Format(DeviceSnapshot device)
    {
        var answer = new ArrayBufferWriter<byte>(
            DeviceBytes + (PeerBytes * device.Peers.Length) + (AllowedIpBytes * device.Peers.Sum(peer => peer.AllowedIps.Length)));
        if (device.PrivateKey is { IsZero: false } privateKey)
        {
            WriteKey(answer, "private_key="u8, privateKey.Bytes);
        }

        if (device.ListenPort != 0)
        {
            WriteLine(answer, "listen_port="u8, device.ListenPort);
        }

        if (device.FirewallMark != 0)
        {
            WriteLine(answer, "fwmark="u8, device.FirewallMark);
        }

        foreach (var peer in device.Peers)
        {
            WritePeer(answer, peer);
        }

        answer.Write("errno=0\n\n"u8);
        return answer;
    }

    /// <summary>The answer to a request of which nothing is to be told but how it ended.</summary>
    /// <param name="errno">A positive Linux errno, 0 for success. Negative on the wire.</param>
    public static byte[] FormatErrno(int errno) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"errno={-errno}\n\n"));

    private static void WritePeer(ArrayBufferWriter<byte> answer, PeerSnapshot peer)
    {
        Span<byte> key = stackalloc byte[PublicKey.Length];
        peer.PublicKey.CopyTo(key);
        WriteKey(answer, "public_key="u8, key);
        key.Clear();
        WriteKey(answer, "preshared_key="u8, peer.PresharedKey is { } presharedKey ? presharedKey.Bytes : key);
        WriteLine(answer, "protocol_version="u8, peer.ProtocolVersion);
        if (peer.Endpoint.IsKnown)
        {
            WriteLine(answer, "endpoint="u8, peer.Endpoint.ToString());
        }

        // the moment itself, not how long ago it was
        var handshake = peer.LastHandshake is { } time ? time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks : 0;
        WriteLine(answer, "last_handshake_time_sec="u8, (ulong)(handshake / TimeSpan.TicksPerSecond));
        WriteLine(answer, "last_handshake_time_nsec="u8, (ulong)(handshake % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick));
        WriteLine(answer, "tx_bytes="u8, peer.SentBytes);
        WriteLine(answer, "rx_bytes="u8, peer.ReceivedBytes);
        WriteLine(answer, "persistent_keepalive_interval="u8, peer.PersistentKeepalive);
        foreach (var prefix in peer.AllowedIps)
        {
            WriteLine(answer, "allowed_ip="u8, prefix.ToString());
        }
    }

    private static void WriteKey(ArrayBufferWriter<byte> answer, ReadOnlySpan<byte> name, ReadOnlySpan<byte> key)
    {
        answer.Write(name);
        Convert.TryToHexStringLower(key, answer.GetSpan(2 * key.Length), out var written);
        answer.Advance(written);
        answer.Write("\n"u8);
    }

    private static void WriteLine(ArrayBufferWriter<byte> answer, ReadOnlySpan<byte> name, ulong value)
    {
        answer.Write(name);
        value.TryFormat(answer.GetSpan(20), out var written, default, CultureInfo.InvariantCulture);
        answer.Advance(written);
        answer.Write("\n"u8);
    }

    private static void WriteLine(ArrayBufferWriter<byte> answer, ReadOnlySpan<byte> name, string value)
    {
        answer.Write(name);
        answer.Advance(Encoding.ASCII.GetBytes(value, answer.GetSpan(value.Length)));
        answer.Write("\n"u8);
    }
}
