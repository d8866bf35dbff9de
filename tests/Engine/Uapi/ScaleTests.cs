using System.Globalization;
using System.Text;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Protocol;
using WgMesh.Engine.Uapi;
using Xunit.Abstractions;

namespace WgMesh.Engine.Tests.Uapi;

/// <summary>As many peers and prefixes as a device may be given in one request: from the text to the state machines and back.</summary>
public class ScaleTests(ITestOutputHelper output)
{
    private const int Peers = 65_536;
    private const int PrefixesPerPeer = 2; // 131,072 in all

    [Fact]
    public void Sixty_five_thousand_peers_with_two_allowed_IPs_each_are_set_told_and_removed()
    {
        var lab = new Lab();
        var host = lab.AddHost("192.0.2.1:51820");
        var request = Encoding.ASCII.GetBytes(Request());
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var start = Environment.CpuUsage.TotalTime;

        var update = UapiParser.Parse(request).Update!;
        host.Apply(update);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        var microseconds = (Environment.CpuUsage.TotalTime - start).TotalMicroseconds / Peers; // of the process, so of other tests too
        output.WriteLine($"{allocated / Peers} bytes and {microseconds:F0} µs per peer, one agreement each included");

        Assert.Equal(Peers, host.Core.Peers.Count());
        Assert.Equal(Peers * PrefixesPerPeer, host.Core.AllowedIps.Count);
        Assert.InRange(allocated, 0, Peers * 8192L); // what anything quadratic would exceed by far
        Assert.Equal(0, host.Core.Timers.Count);

        var answer = Encoding.ASCII.GetString(UapiFormatter.Format(Snapshot(host.Core)).WrittenSpan);
        Assert.Equal(Peers, Count(answer, "public_key="));
        Assert.Equal(Peers * PrefixesPerPeer, Count(answer, "\nallowed_ip="));

        // each finds its own, and the same request again changes nothing
        host.SendTo("10.128.3.7", "10.0.0.1");
        Assert.Equal(host.Core.AllowedIps.LookupIPv4(0x0A800307)!.Endpoint, lab.Take().Single().To);
        host.Apply(UapiParser.Parse(request).Update!);
        Assert.Equal(Peers * PrefixesPerPeer, host.Core.AllowedIps.Count);

        host.Apply(UapiParser.Parse("replace_peers=true\n"u8).Update!);
        Assert.Empty(host.Core.Peers);
        Assert.Equal((0, 0, 0), (host.Core.AllowedIps.Count, host.Core.Timers.Count, host.Core.Indices.Count));
    }

    private static string Request()
    {
        var text = new StringBuilder("replace_peers=true\n");
        var random = new SeededRandom(1);
        var key = new byte[32];
        for (var i = 0; i < Peers; i++)
        {
            random.GetBytes(key);
            text.Append("public_key=").Append(Convert.ToHexStringLower(key)).Append('\n');
            text.Append(CultureInfo.InvariantCulture, $"endpoint=198.18.{i >> 8}.{i & 255}:51820\nreplace_allowed_ips=true\n");
            text.Append(CultureInfo.InvariantCulture, $"allowed_ip=10.128.{i >> 8}.{i & 255}/32\nallowed_ip=fd00::{i:x}/128\n");
        }

        return text.ToString();
    }

    private static DeviceSnapshot Snapshot(ProtocolCore core) => new()
    {
        Name = "wg0", ListenPort = 0, FirewallMark = 0, Mtu = 1420,
        Peers =
        [
            .. core.Peers.Select(peer => new PeerSnapshot
            {
                PublicKey = peer.PublicKey, Name = peer.Name, Endpoint = peer.Endpoint, PersistentKeepalive = 0, AllowedIps = core.AllowedIps.List(peer),
                ReceivedBytes = 0, SentBytes = 0, ReceivedPackets = 0, SentPackets = 0, ProtocolVersion = 1,
            }),
        ],
    };

    private static int Count(string text, string what)
    {
        var count = 0;
        for (var at = text.IndexOf(what, StringComparison.Ordinal); at >= 0; at = text.IndexOf(what, at + 1, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
