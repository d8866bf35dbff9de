using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using WgMesh.Engine;
using WgMesh.Engine.Crypto;
using WgMesh.Engine.Protocol;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>
/// A third host that knows a public key and nothing else: it sends initiations whose mac1 is right and whose rest is noise, each of which
/// costs its target a Diffie-Hellman. They come in bursts that fill any queue of handshakes, with pauses in which there is room for
/// others: what counts as load lasts longer than a pause.
/// </summary>
internal sealed class InitiationFlood : IDisposable
{
    private const int Burst = 1500, Different = 64;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    private readonly NetNamespace _host = new();
    private readonly Socket _socket;
    private readonly byte[][] _messages;
    private readonly Thread _sender, _receiver;
    private readonly ManualResetEventSlim _stop = new();
    private int _cookies;

    public InitiationFlood(WireGuardHost target)
    {
        target.Lan.Wire.Plug(_host, "eth0");
        _host.Ip($"addr add {target.Lan.Prefix(200, false)} dev eth0");
        _messages = [.. Enumerable.Range(0, Different).Select(_ => Initiation(target.PublicKey))];
        _socket = _host.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(IPAddress.Any, 0));
            return socket;
        });
        _socket.ReceiveTimeout = 100;
        var endpoint = new IPEndPoint(IPAddress.Parse(target.Underlay(false)), target.Port);
        _sender = new Thread(() => Send(endpoint)) { IsBackground = true };
        _receiver = new Thread(Receive) { IsBackground = true };
        _sender.Start();
        _receiver.Start();
    }

    /// <summary>How many cookie replies the target has sent: as long as it has no load, it is silent.</summary>
    public int Cookies => Volatile.Read(ref _cookies);

    public void Dispose()
    {
        _stop.Set();
        _sender.Join();
        _receiver.Join();
        _socket.Dispose();
        _stop.Dispose();
        _host.Dispose();
    }

    private static byte[] Initiation(string publicKey)
    {
        var message = RandomNumberGenerator.GetBytes(Messages.InitiationLength);
        message.AsSpan(0, 4).Clear();
        message[0] = (byte)MessageType.Initiation;
        var macs = message.AsSpan(Messages.InitiationLength - (2 * Messages.MacLength));
        Span<byte> mac1Key = stackalloc byte[32];
        Span<byte> cookieKey = stackalloc byte[32];
        CookieKeys.Derive(new PublicKey(Convert.FromBase64String(publicKey)), mac1Key, cookieKey);
        Blake2s.Mac(mac1Key, message.AsSpan(0, message.Length - macs.Length), macs[..Messages.MacLength]);
        macs[Messages.MacLength..].Clear();
        return message;
    }

    private void Send(IPEndPoint target)
    {
        do
        {
            for (var i = 0; i < Burst; i++)
            {
                _socket.SendTo(_messages[i % Different], target);
            }
        }
        while (!_stop.Wait(Pause));
    }

    private void Receive()
    {
        var reply = new byte[Messages.MaximumLength];
        while (!_stop.IsSet)
        {
            try
            {
                if (Messages.Classify(reply.AsSpan(0, _socket.Receive(reply))) == MessageType.CookieReply)
                {
                    Interlocked.Increment(ref _cookies);
                }
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
            }
        }
    }
}
