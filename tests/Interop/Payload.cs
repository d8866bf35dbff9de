using System.Runtime.InteropServices;

namespace WgMesh.Interop.Tests;

/// <summary>
/// Bytes that say where they belong: each eight are a hash of their stream's number and of their place in it (splitmix64: Steele, Lea and
/// Flood, 2014). What is lost, repeated, moved or changed differs in the block where it happened, and comparing costs no cryptography.
/// </summary>
internal static class Payload
{
    /// <summary>Bytes to send and to compare at once.</summary>
    public const int BlockLength = 64 << 10;

    /// <param name="place">Of the first byte in the stream, a multiple of 8.</param>
    public static void Fill(Span<byte> block, int stream, long place)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(block);
        var next = ((ulong)stream << 48) + (ulong)(place / sizeof(ulong));
        foreach (ref var word in words)
        {
            word = Hash(next++);
        }

        var last = Hash(next);
        MemoryMarshal.AsBytes(new Span<ulong>(ref last))[..(block.Length % sizeof(ulong))].CopyTo(block[(words.Length * sizeof(ulong))..]);
    }

    private static ulong Hash(ulong number)
    {
        var x = number * 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
    }
}
