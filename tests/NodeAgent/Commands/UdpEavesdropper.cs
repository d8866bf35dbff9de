using System.Net.Sockets;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Commands;

/// <summary>Hears every UDP datagram over IPv4 that arrives in a namespace, for whomever it is.</summary>
internal sealed class UdpEavesdropper(NetNamespace ns) : IDisposable
{
    private const int UdpHeader = 8;

    private readonly Socket _socket = ns.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Udp));

    public void Dispose() => _socket.Dispose();

    /// <summary>What the datagrams hold that have arrived since the last look, in their order.</summary>
    internal List<byte[]> Read()
    {
        List<byte[]> heard = [];
        var packet = new byte[ushort.MaxValue];
        while (_socket.Available > 0)
        {
            var length = _socket.Receive(packet);
            var header = (packet[0] & 0xf) * 4; // the IP header comes with it
            heard.Add(packet[(header + UdpHeader)..length]);
        }

        return heard;
    }
}
