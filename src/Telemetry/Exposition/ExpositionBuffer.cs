using System.Buffers;
using System.Globalization;
using System.Text;

namespace WgMesh.Telemetry.Exposition;

/// <summary>
/// The text of one scrape in a rented array that grows: bytes, numbers and escaped strings. Not safe for concurrent writers.
/// </summary>
internal sealed class ExpositionBuffer(int sizeHint) : IDisposable
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(Math.Max(sizeHint, 4096));

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Clear() => Length = 0;

    public void Write(ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(Reserve(utf8.Length));
        Length += utf8.Length;
    }

    public void Write(string text) => Length += Encoding.UTF8.GetBytes(text, Reserve(Encoding.UTF8.GetMaxByteCount(text.Length)));

    public void Write(long value)
    {
        value.TryFormat(Reserve(20), out var written, default, CultureInfo.InvariantCulture);
        Length += written;
    }

    /// <summary>The shortest text that reads back as the same number; infinities and NaN as both formats spell them.</summary>
    public void Write(double value)
    {
        if (double.IsNaN(value))
            Write("NaN"u8);
        else if (double.IsInfinity(value))
            Write(value > 0 ? "+Inf"u8 : "-Inf"u8);
        else
        {
            value.TryFormat(Reserve(32), out var written, default, CultureInfo.InvariantCulture);
            Length += written;
        }
    }

    /// <summary>
    /// A bucket boundary. OpenMetrics wants a whole number to be spelled as a float (1.0); the older format writes it as it is.
    /// </summary>
    public void WriteBound(double bound, ExpositionFormat format)
    {
        Write(bound);
        // From 1E15 on the number is spelled with an exponent, which marks it as a float already.
        if (format == ExpositionFormat.OpenMetrics && double.IsInteger(bound) && Math.Abs(bound) < 1e15)
            Write(".0"u8);
    }

    /// <summary>A label value, without its quotes: both formats escape backslash, quote and line feed.</summary>
    public void WriteLabelValue(string value) => WriteEscaped(value, LabelEscapes);

    /// <summary>A help text: the older format escapes backslash and line feed only, OpenMetrics the quote as well.</summary>
    public void WriteHelp(string help, ExpositionFormat format) =>
        WriteEscaped(help, format == ExpositionFormat.OpenMetrics ? LabelEscapes : HelpEscapes);

    public void Dispose()
    {
        var bytes = Interlocked.Exchange(ref _bytes, []);
        if (bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(bytes);
    }

    private static readonly SearchValues<char> LabelEscapes = SearchValues.Create("\\\"\n");
    private static readonly SearchValues<char> HelpEscapes = SearchValues.Create("\\\n");

    private void WriteEscaped(string text, SearchValues<char> escapes)
    {
        if (text.AsSpan().IndexOfAny(escapes) < 0)
        {
            Write(text);
            return;
        }
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            if (escapes.Contains(c))
                escaped.Append('\\').Append(c == '\n' ? 'n' : c);
            else
                escaped.Append(c);
        }
        Write(escaped.ToString());
    }

    private Span<byte> Reserve(int count)
    {
        if (_bytes.Length - Length < count)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, Length + count));
            _bytes.AsSpan(0, Length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }
        return _bytes.AsSpan(Length);
    }
}
