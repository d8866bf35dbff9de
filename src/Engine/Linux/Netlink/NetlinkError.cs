using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>What an NLMSG_ERROR or NLMSG_DONE message says.</summary>
internal static class NetlinkError
{
    /// <summary>The error number, 0 for success, and the kernel's text if there is one.</summary>
    internal static (int Errno, string? Text) Read(in LinuxNetlink.MessageHeader header, ReadOnlySpan<byte> payload)
    {
        if (!MemoryMarshal.TryRead(payload, out int error))
        {
            return (header.Type == LinuxNetlink.Done ? Errno.None : Errno.EIO, null);
        }

        payload = payload[sizeof(int)..];
        if (error >= 0 || (header.Flags & LinuxNetlink.AckAttributes) == 0)
        {
            return (error < 0 ? -error : 0, null);
        }

        if (header.Type == LinuxNetlink.Error)
        {
            // the request comes back in front of the attributes: all of it, or if capped its header alone
            if (!MemoryMarshal.TryRead(payload, out LinuxNetlink.MessageHeader request))
            {
                return (-error, null);
            }

            var echo = (header.Flags & LinuxNetlink.Capped) != 0 ? (uint)Unsafe.SizeOf<LinuxNetlink.MessageHeader>() : request.Length;
            if (echo > (uint)payload.Length)
            {
                return (-error, null);
            }

            payload = payload[Math.Min(payload.Length, (int)(echo + 3) & ~3)..];
        }

        var text = NetlinkReader.ToText(NetlinkReader.Find(payload, LinuxNetlink.AckMessage));
        return (-error, text.Length == 0 ? null : text);
    }
}
