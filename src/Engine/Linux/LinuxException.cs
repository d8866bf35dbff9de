using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux;

/// <summary>A system call failed. The message reads <c>operation: EADDRINUSE (Address already in use): what to do about it</c>.</summary>
public class LinuxException : IOException
{
    /// <summary>For a call that failed with a known error number.</summary>
    /// <param name="operation">What was tried, with its object, such as <c>open /dev/net/tun</c>.</param>
    /// <param name="errno">A constant of <see cref="Interop.Errno"/>.</param>
    /// <param name="hint">What the error means here or what would help; null if the error says it all.</param>
    public LinuxException(string operation, int errno, string? hint = null)
        : base($"{operation}: {Interop.Errno.Name(errno)} ({Marshal.GetPInvokeErrorMessage(errno)}){(hint is null ? "" : $": {hint}")}")
    {
        Operation = operation;
        Errno = errno;
    }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>A constant of <see cref="Interop.Errno"/>.</summary>
    public int Errno { get; }

    /// <summary>The error of the last call of this thread.</summary>
    internal static LinuxException FromLastError(string operation, string? hint = null) => new(operation, Marshal.GetLastPInvokeError(), hint);
}
