namespace WgMesh.Engine.Protocol;

/// <summary>A point on a monotonic clock, in nanoseconds since an origin of the clock's own. Only differences mean anything.</summary>
/// <param name="Nanoseconds">Since the clock's origin; never negative.</param>
public readonly record struct Instant(long Nanoseconds) : IComparable<Instant>
{
    /// <summary>Later than every instant: the deadline of what is not armed.</summary>
    public static readonly Instant Never = new(long.MaxValue);

    /// <summary>Now, by the provider's timestamp (which should count the time a host is suspended).</summary>
    public static Instant Now(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        var timestamp = time.GetTimestamp();
        var frequency = time.TimestampFrequency;
        return new(frequency == 1_000_000_000 ? timestamp : (long)((Int128)timestamp * 1_000_000_000 / frequency));
    }

    /// <inheritdoc/>
    public int CompareTo(Instant other) => Nanoseconds.CompareTo(other.Nanoseconds);

    /// <summary>Time from <paramref name="right"/> to <paramref name="left"/>; negative if that is in the future.</summary>
    public static TimeSpan operator -(Instant left, Instant right) => TimeSpan.FromTicks((left.Nanoseconds - right.Nanoseconds) / 100);

    /// <summary>A later instant.</summary>
    public static Instant operator +(Instant left, TimeSpan right) => new(left.Nanoseconds + (right.Ticks * 100));

    /// <summary>Earlier.</summary>
    public static bool operator <(Instant left, Instant right) => left.Nanoseconds < right.Nanoseconds;

    /// <summary>Later.</summary>
    public static bool operator >(Instant left, Instant right) => left.Nanoseconds > right.Nanoseconds;

    /// <summary>Not later.</summary>
    public static bool operator <=(Instant left, Instant right) => left.Nanoseconds <= right.Nanoseconds;

    /// <summary>Not earlier.</summary>
    public static bool operator >=(Instant left, Instant right) => left.Nanoseconds >= right.Nanoseconds;
}
