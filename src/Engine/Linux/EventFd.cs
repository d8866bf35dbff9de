using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>Wakes a thread that waits in <see cref="Poll"/>. Signalled until drained; any thread may call anything.</summary>
public sealed class EventFd : IDisposable
{
    /// <summary>Makes one that is not signalled.</summary>
    /// <exception cref="LinuxException">No more descriptors.</exception>
    public EventFd() => Descriptor = Descriptor.Open(SysEventFd.Create(0, SysEventFd.NonBlock | SysEventFd.CloseOnExec), "eventfd");

    /// <summary>To wait for in <see cref="Poll"/>: readable while signalled.</summary>
    public Descriptor Descriptor { get; }

    /// <summary>Signals. Nothing happens after <see cref="Dispose"/>.</summary>
    public void Signal()
    {
        var one = 1ul;
        // EAGAIN: 2^64 - 2 signals are pending, which is signalled enough
        Descriptor.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in one)), out _);
    }

    /// <summary>Takes the signal back.</summary>
    /// <returns>Whether it was signalled.</returns>
    public bool Drain()
    {
        var count = 0ul;
        return Descriptor.Read(MemoryMarshal.AsBytes(new Span<ulong>(ref count)), out _) == sizeof(ulong);
    }

    /// <inheritdoc/>
    public void Dispose() => Descriptor.Dispose();
}
