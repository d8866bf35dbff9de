using Microsoft.Win32.SafeHandles;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Finds copies of a secret in this process's own memory, OpenSSL's heap included, by reading /proc/self/mem.</summary>
internal sealed unsafe class MemoryScan : IDisposable
{
    private const int Chunk = 1 << 20;

    private readonly SafeFileHandle _memory = File.OpenHandle("/proc/self/mem");
    private readonly byte[] _pattern = GC.AllocateUninitializedArray<byte>(32, pinned: true);
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Chunk, pinned: true);
    private readonly byte* _bottom;

    /// <param name="pattern">32 bytes.</param>
    /// <param name="stack">
    /// Address of a local of the caller: what lies below it on the thread's stack is overwritten by the next calls and not looked at.
    /// </param>
    public MemoryScan(ReadOnlySpan<byte> pattern, byte* stack)
    {
        pattern.CopyTo(_pattern);
        _bottom = stack;
    }

    /// <summary>Where the secret stands, beside our own pattern.</summary>
    public List<long> Find()
    {
        var found = new List<long>();
        foreach (var line in File.ReadLines("/proc/self/maps"))
        {
            var fields = line.Split(' ');
            if (!fields[1].StartsWith("rw", StringComparison.Ordinal))
            {
                continue;
            }

            var bounds = fields[0].Split('-').Select(text => Convert.ToUInt64(text, 16)).ToArray();
            if (bounds[1] <= long.MaxValue)
            {
                Find((long)bounds[0], (long)bounds[1], found);
            }
        }

        return found;
    }

    /// <summary>Whether the secret still stands there.</summary>
    public bool IsAt(long address) => Read(address, _pattern.Length) == _pattern.Length && _buffer.AsSpan(0, _pattern.Length).SequenceEqual(_pattern);

    public void Dispose()
    {
        _pattern.AsSpan().Clear();
        _memory.Dispose();
    }

    private void Find(long start, long end, List<long> found)
    {
        for (var at = start; at < end; at += Chunk - _pattern.Length)
        {
            var read = Read(at, (int)Math.Min(Chunk, end - at));
            for (int offset = 0, next; offset < read && (next = _buffer.AsSpan(offset, read - offset).IndexOf(_pattern)) >= 0; offset += next + 1)
            {
                var address = at + offset + next;
                if (!IsOurs(address) && !found.Contains(address))
                {
                    found.Add(address);
                }
            }
        }
    }

    private bool IsOurs(long address)
    {
        fixed (byte* pattern = _pattern, buffer = _buffer)
        {
            return address == (long)pattern
                || (address >= (long)buffer && address < (long)buffer + Chunk)
                || (address >= (long)_bottom - Chunk && address < (long)_bottom + 1024);
        }
    }

    private int Read(long address, int length)
    {
        try
        {
            return RandomAccess.Read(_memory, _buffer.AsSpan(0, length), address);
        }
        catch (IOException)
        {
            return 0; // unmapped meanwhile
        }
    }
}
