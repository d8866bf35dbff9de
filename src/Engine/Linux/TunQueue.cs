using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Linux;

/// <summary>
/// One queue of a TUN: a descriptor that IP packets are read from and written to, each behind a virtio header. Nothing waits and nothing
/// allocates. The kernel keeps a flow on one queue: on the one that the flow's other direction was last written to, if it was.
/// </summary>
internal sealed class TunQueue : IDisposable
{
    internal TunQueue(Descriptor descriptor) => Descriptor = descriptor;

    /// <summary>To wait for in <see cref="Poll"/>: readable when a packet is there or the interface was deleted.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>Reads one packet or super-packet; does not wait.</summary>
    /// <param name="buffer">
    /// For the virtio header and the packet behind it, up to 65,535 bytes: the rest of a longer packet is lost.
    /// </param>
    /// <param name="errno">
    /// EAGAIN: there is none, wait with <see cref="Poll"/>. EBADFD: the interface was deleted. EBADF: disposed of.
    /// </param>
    /// <returns>Bytes of header and packet, or -1 with <paramref name="errno"/> set.</returns>
    public int Read(Span<byte> buffer, out int errno) => Descriptor.Read(buffer, out errno);

    /// <summary>Writes one packet or super-packet; does not wait.</summary>
    /// <param name="header">What it is.</param>
    /// <param name="buffer">What its pieces lie in.</param>
    /// <param name="slices">The pieces, at most 1,023.</param>
    /// <param name="errno">
    /// EIO: the interface is down. EINVAL: not an IP packet, a header that does not fit it, or too many pieces. EMSGSIZE: more than
    /// 65,535 bytes. EAGAIN or ENOMEM: no memory now. EBADFD: the interface was deleted. EBADF: disposed of.
    /// </param>
    /// <returns>Bytes of header and packet, or -1 with <paramref name="errno"/> set.</returns>
    [SkipLocalsInit]
    public unsafe int Write(in VirtioHeader header, byte[] buffer, ReadOnlySpan<Slice> slices, out int errno)
    {
        const int MostPieces = 1024; // IOV_MAX, of which the header is one
        if (slices.Length >= MostPieces)
        {
            errno = Errno.EINVAL;
            return -1;
        }

        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        var head = stackalloc byte[VirtioHeader.Length];
        header.Write(new Span<byte>(head, VirtioHeader.Length));
        var pieces = stackalloc SysSocket.IoVector[slices.Length + 1];
        pieces[0] = new SysSocket.IoVector { Base = head, Length = VirtioHeader.Length };
        nint count;
        fixed (byte* pointer = buffer)
        {
            for (var i = 0; i < slices.Length; i++)
            {
                pieces[i + 1] = new SysSocket.IoVector { Base = pointer + slices[i].Offset, Length = (nuint)slices[i].Length };
            }

            do
            {
                count = SysSocket.WriteVectors(Descriptor.Number, pieces, slices.Length + 1);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Descriptor.Exit();
        return (int)count;
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();
}
