using System.Net.Sockets;
using System.Security.Cryptography;

namespace WgMesh.Engine.Uapi;

/// <summary>Splits what a client sends into lines, in one buffer that is wiped at the end because keys pass through it.</summary>
internal sealed class UapiLineReader(Socket socket) : IDisposable
{
    /// <summary>The longest line in bytes, its line feed included. The longest that anyone needs has about 100.</summary>
    public const int LongestLine = 8192;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(LongestLine, pinned: true);
    private int _start, _end;

    /// <summary>The next line without its line feed, valid until the next call; null at the end of the connection.</summary>
    /// <exception cref="InvalidDataException">A line is longer than <see cref="LongestLine"/>.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellation)
    {
        var searched = 0;
        while (true)
        {
            var length = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                var line = _buffer.AsMemory(_start, searched + length);
                _start += line.Length + 1;
                return line;
            }

            searched = _end - _start;
            if (_start > 0)
            {
                _buffer.AsSpan(_start, searched).CopyTo(_buffer);
                (_start, _end) = (0, searched);
            }

            if (_end == _buffer.Length)
            {
                throw new InvalidDataException($"A line is longer than {LongestLine} bytes.");
            }

            var received = await socket.ReceiveAsync(_buffer.AsMemory(_end), cancellation);
            if (received == 0)
            {
                return null;
            }

            _end += received;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_buffer);
}
