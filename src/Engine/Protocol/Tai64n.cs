using System.Buffers.Binary;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// A TAI64N label: 12 bytes, big-endian, ordered like the time it names (https://cr.yp.to/libtai/tai64.html). It makes
/// an initiation unrepeatable (paper, section 5.1), so all that matters is that a peer's labels grow.
/// </summary>
public readonly record struct Tai64n(ulong Seconds, uint Nanoseconds) : IComparable<Tai64n>
{
    /// <summary>Bytes of a label.</summary>
    public const int Length = 12;

    private const ulong Origin = 0x400000000000000a; // 1970-01-01 TAI

    // 2^24 ns, about 16.7 ms: initiations are at most one in 20 ms, so nothing finer is needed, and anything finer would
    // tell a peer about this machine's clock and load
    private const uint Whitening = (1u << 24) - 1;

    /// <summary>The label of a moment, whitened.</summary>
    public static Tai64n From(DateTimeOffset moment)
    {
        var ticks = (moment.UtcTicks - DateTimeOffset.UnixEpoch.Ticks);
        var nanoseconds = (uint)(ticks % TimeSpan.TicksPerSecond * 100);
        return new(Origin + (ulong)(ticks / TimeSpan.TicksPerSecond), nanoseconds & ~Whitening);
    }

    /// <summary>Reads 12 bytes.</summary>
    public static Tai64n Read(ReadOnlySpan<byte> source) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(source), BinaryPrimitives.ReadUInt32BigEndian(source[8..]));

    /// <summary>Writes 12 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, Seconds);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], Nanoseconds);
    }

    /// <summary>The next label after this one that survives whitening.</summary>
    public Tai64n Next() => Nanoseconds + Whitening + 1 >= 1_000_000_000 ? new(Seconds + 1, 0) : new(Seconds, Nanoseconds + Whitening + 1);

    /// <inheritdoc/>
    public int CompareTo(Tai64n other) => (Seconds, Nanoseconds).CompareTo((other.Seconds, other.Nanoseconds));

    /// <summary>Earlier.</summary>
    public static bool operator <(Tai64n left, Tai64n right) => left.CompareTo(right) < 0;

    /// <summary>Later.</summary>
    public static bool operator >(Tai64n left, Tai64n right) => left.CompareTo(right) > 0;

    /// <summary>Not later.</summary>
    public static bool operator <=(Tai64n left, Tai64n right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier.</summary>
    public static bool operator >=(Tai64n left, Tai64n right) => left.CompareTo(right) >= 0;
}
