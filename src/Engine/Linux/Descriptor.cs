using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// An open file descriptor. It is closed when it is disposed of and the last call using it has returned, so that the number
/// cannot come to mean another file while a thread still reads or writes with it.
/// </summary>
public sealed class Descriptor : SafeHandleMinusOneIsInvalid
{
    /// <summary>Takes ownership of an open descriptor.</summary>
    internal Descriptor(int fd)
        : base(ownsHandle: true) => SetHandle(fd);

    /// <summary>
    /// The number; valid between <see cref="TryEnter"/> and <see cref="Exit"/>, or while the caller knows that nobody disposes of it.
    /// </summary>
    internal int Number => (int)handle;

    /// <summary>Keeps it open until <see cref="Exit"/>; false if it is closed already.</summary>
    internal bool TryEnter()
    {
        var entered = false;
        if (IsClosed) // without this, a thread that has not heard of the end yet would throw for each packet
        {
            return false;
        }

        try
        {
            DangerousAddRef(ref entered);
        }
        catch (ObjectDisposedException) // disposed of since the check
        {
        }

        return entered;
    }

    /// <summary>Ends what <see cref="TryEnter"/> began.</summary>
    internal void Exit() => DangerousRelease();

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        _ = Unistd.Close(Number); // never retried: on Linux the number is free even after an error
        return true;
    }

    /// <summary>Wraps the answer of a call that makes a descriptor.</summary>
    /// <exception cref="LinuxException">The answer was -1.</exception>
    internal static Descriptor Open(int fd, string operation, string? hint = null) =>
        fd >= 0 ? new Descriptor(fd) : throw LinuxException.FromLastError(operation, hint);

    /// <summary>One <c>read</c>. Repeats it when a signal interrupts.</summary>
    /// <returns>Bytes read, or -1 with <paramref name="errno"/> set.</returns>
    internal unsafe int Read(Span<byte> buffer, out int errno)
    {
        if (!TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        nint count;
        fixed (byte* pointer = buffer)
        {
            do
            {
                count = Unistd.Read(Number, pointer, (nuint)buffer.Length);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Exit();
        return (int)count;
    }

    /// <summary>One <c>write</c>. Repeats it when a signal interrupts.</summary>
    /// <returns>Bytes written, or -1 with <paramref name="errno"/> set.</returns>
    internal unsafe int Write(ReadOnlySpan<byte> buffer, out int errno)
    {
        if (!TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        nint count;
        fixed (byte* pointer = buffer)
        {
            do
            {
                count = Unistd.Write(Number, pointer, (nuint)buffer.Length);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Exit();
        return (int)count;
    }
}
