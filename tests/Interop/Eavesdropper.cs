using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WgMesh.Engine.Protocol;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>A handshake message that crossed the wire.</summary>
/// <param name="At">When, since the eavesdropper began.</param>
/// <param name="From">The sender's address.</param>
/// <param name="Type">Transport messages are not kept.</param>
/// <param name="HasMac2">Whether its sender had a cookie.</param>
internal sealed record SeenMessage(TimeSpan At, string From, MessageType Type, bool HasMac2);

/// <summary>Sees what a host sends and receives over IPv4, before anything is decrypted.</summary>
internal sealed class Eavesdropper : IDisposable
{
    private const int EthernetHeader = 14, UdpHeader = 8;
    private const byte Udp = 17;

    private static readonly ProtocolType AllProtocols = (ProtocolType)IPAddress.HostToNetworkOrder((short)3); // ETH_P_ALL

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly ConcurrentQueue<SeenMessage> _messages = new();
    private readonly Socket _socket;
    private readonly Thread _thread;
    private volatile bool _stopped;

    public Eavesdropper(NetNamespace host)
    {
        _socket = host.Run(() => new Socket(AddressFamily.Packet, SocketType.Raw, AllProtocols));
        _socket.ReceiveTimeout = 100;
        _socket.ReceiveBufferSize = 4 << 20;
        _thread = new Thread(Listen) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>In the order they were seen.</summary>
    public IReadOnlyList<SeenMessage> Messages => [.. _messages];

    public void Dispose()
    {
        _stopped = true;
        _thread.Join();
        _socket.Dispose();
    }

    private void Listen()
    {
        var frame = new byte[65_600];
        while (!_stopped)
        {
            int length;
            try
            {
                length = _socket.Receive(frame);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                continue;
            }

            if (Read(frame.AsSpan(0, length)) is { } message)
            {
                _messages.Enqueue(message);
            }
        }
    }

    private SeenMessage? Read(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < EthernetHeader + 20 || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != 0x0800)
        {
            return null;
        }

        var packet = frame[EthernetHeader..];
        var header = (packet[0] & 15) * 4;
        if (packet[9] != Udp || packet.Length < header + UdpHeader)
        {
            return null;
        }

        var datagram = packet[(header + UdpHeader)..];
        var type = Engine.Protocol.Messages.Classify(datagram);
        return type is MessageType.None or MessageType.Transport ? null : new SeenMessage(
            _watch.Elapsed,
            new IPAddress(packet[12..16]).ToString(),
            type,
            type != MessageType.CookieReply && datagram[^Engine.Protocol.Messages.MacLength..].ContainsAnyExcept((byte)0));
    }
}
