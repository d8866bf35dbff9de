using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// Keeps others off a port that sockets of ours share. SO_REUSEPORT has to stay on for as long as the kernel is to share the flows out,
/// and as long any program of this user that asks for it as well could bind the port and take part of the traffic, without an error on
/// either side. One more socket ends that: it is bound to the port without sharing it, and it is the first that the kernel looks at when
/// somebody binds (<c>udp_lib_lport_inuse</c> goes by the newest, and sharing IPv6 sockets line up behind the rest). It takes nothing
/// from ours, since it is bound to an interface as well, one that does not exist.
/// </summary>
internal static class PortGuard
{
    // interfaces are numbered one by one, from 1
    private const int NoInterface = int.MaxValue;

    /// <summary>Closes the port of some sockets to others; with IPv6 among them in one go for both families.</summary>
    /// <param name="sockets">All the sockets on the port.</param>
    /// <returns>
    /// What keeps it closed until it is disposed of; null before Linux 5.0, where the port stays open to this user's programs.
    /// </returns>
    /// <exception cref="LinuxException">EADDRINUSE: somebody was quicker.</exception>
    internal static Descriptor? TryOpen(IReadOnlyList<UdpSocket> sockets)
    {
        var isIPv6 = sockets.Any(socket => socket.IsIPv6);
        var guard = Descriptor.Open(
            SysSocket.Socket(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork, SysSocket.Datagram | SysSocket.CloseOnExec, 0),
            "make a UDP socket");
        try
        {
            if (!UdpSocket.TrySetOption(guard, SysSocket.SocketLevel, SysSocket.BindToInterface, NoInterface))
            {
                guard.Dispose();
                return null;
            }

            if (isIPv6)
            {
                UdpSocket.SetOption(guard, NetinetIn.IPv6Level, NetinetIn.IPv6Only, 0, "IPV6_V6ONLY");
            }

            // To let it in there is another permission, which all have to give; it is taken back at once.
            Permit(guard, true);
            Permit(sockets, true);
            UdpSocket.BindToAny(guard, isIPv6, sockets[0].Port);
            Permit(guard, false);
            Permit(sockets, false);
            return guard;
        }
        catch
        {
            guard.Dispose();
            throw;
        }
    }

    private static void Permit(IReadOnlyList<UdpSocket> sockets, bool permitted)
    {
        foreach (var socket in sockets)
        {
            Permit(socket.Descriptor, permitted);
        }
    }

    private static void Permit(Descriptor socket, bool permitted) =>
        UdpSocket.SetOption(socket, SysSocket.SocketLevel, SysSocket.ReuseAddress, permitted ? 1 : 0, "SO_REUSEADDR");
}
