using System.Runtime.InteropServices;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>Memory between two pages that nobody may touch: a byte too many ends the process, with this test's name as the last in its log.</summary>
internal sealed unsafe partial class GuardedBuffer : IDisposable
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;

    private static readonly int Page = Environment.SystemPageSize;

    private readonly byte* _mapping;
    private readonly nuint _mapped;

    /// <param name="length">Bytes between the pages at least; whole pages are.</param>
    public GuardedBuffer(int length)
    {
        Length = (length + Page - 1) / Page * Page;
        _mapped = (nuint)(Length + (2 * Page));
        _mapping = (byte*)Map(null, _mapped, 0, PrivateAnonymous, -1, 0);
        Start = _mapping + Page;
        Assert.True((nint)_mapping != -1 && Protect(Start, (nuint)Length, ReadWrite) == 0);
    }

    /// <summary>The first byte that may be touched.</summary>
    public byte* Start { get; }

    /// <summary>Bytes that may be.</summary>
    public int Length { get; }

    /// <summary>The first byte behind those.</summary>
    public byte* End => Start + Length;

    public void Dispose() => Unmap(_mapping, _mapped);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);
}
