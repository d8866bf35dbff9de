namespace WgMesh.Kubernetes;

/// <summary>Reads the lines of a stream, however long each is.</summary>
internal sealed class LineReader(Stream stream)
{
    /// <summary>Far above the largest object that etcd takes: a line that does not end must not take all memory.</summary>
    public const int MaxLength = 64 << 20;

    private const int InitialSize = 64 << 10;

    private byte[] _buffer = new byte[InitialSize];
    private int _start;
    private int _searched;
    private int _end;

    /// <summary>The next line without its end, valid until the next call; null: the stream is at its end.</summary>
    /// <exception cref="IOException">The stream broke, or ended within a line.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var length = _buffer.AsSpan(_searched.._end).IndexOf((byte)'\n');
            if (length >= 0)
            {
                var line = _buffer.AsMemory(_start..(_searched + length));
                _start = _searched = _searched + length + 1;
                return line;
            }

            _searched = _end;
            MakeRoom();
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
                return _start == _end ? null : throw new IOException("the connection ended in the middle of an event");
            _end += read;
        }
    }

    private void MakeRoom()
    {
        var length = _end - _start;
        if (length > MaxLength)
            throw new IOException($"an event is longer than {MaxLength >> 20} MiB");

        // doubled while a line does not fit, and given back when the long one is over
        var size = length > _buffer.Length / 2 ? _buffer.Length * 2 : length == 0 ? InitialSize : _buffer.Length;
        if (size == _buffer.Length && _start == 0)
            return;
        var target = size == _buffer.Length ? _buffer : new byte[size];
        _buffer.AsSpan(_start, length).CopyTo(target);
        _buffer = target;
        (_start, _searched, _end) = (0, length, length);
    }
}
