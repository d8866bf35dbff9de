using System.Globalization;

namespace WgMesh.Rpc.Protocol;

/// <summary>The value of <c>grpc-timeout</c> (PROTOCOL-HTTP2.md, "Requests"): at most 8 digits and a unit out of H M S m u n.</summary>
internal static class Timeout
{
    public const string HeaderName = "grpc-timeout";

    private const long MaxValue = 99_999_999;

    private static readonly (char Unit, long Nanoseconds)[] Units =
    [
        ('n', 1), ('u', 1_000), ('m', 1_000_000), ('S', 1_000_000_000), ('M', 60_000_000_000), ('H', 3_600_000_000_000),
    ];

    /// <summary>The finest unit in which the time fits, rounded up so that a server never gives up before its client.</summary>
    /// <param name="timeout">The time left; what is not positive is sent as one nanosecond, since the value must be positive.</param>
    public static string Format(TimeSpan timeout)
    {
        Int128 nanoseconds = Math.Max(timeout.Ticks, 0) * (Int128)TimeSpan.NanosecondsPerTick;
        foreach (var (unit, size) in Units)
        {
            var value = (nanoseconds + size - 1) / size;
            if (value <= MaxValue)
                return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, (long)value)}{unit}");
        }

        // Beyond 11 thousand years.
        return string.Create(CultureInfo.InvariantCulture, $"{MaxValue}H");
    }

    /// <summary>Reads the value.</summary>
    /// <returns>False: it is not of the form that the protocol defines.</returns>
    public static bool TryParse(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9 ||
            !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            return false;

        var size = 0L;
        foreach (var (unit, nanoseconds) in Units)
        {
            if (unit == text[^1])
                size = nanoseconds;
        }

        if (size == 0)
            return false;

        var ticks = ((Int128)value * size + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick;
        timeout = ticks > TimeSpan.MaxValue.Ticks ? TimeSpan.MaxValue : TimeSpan.FromTicks((long)ticks);
        return true;
    }
}
