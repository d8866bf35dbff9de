using System.Text;

namespace WgMesh.Telemetry.Exposition;

/// <summary>
/// UCUM units as instruments carry them (<c>s</c>, <c>By</c>, <c>{packet}/s</c>) in the words Prometheus uses.
/// </summary>
internal static class UnitName
{
    /// <summary>The unit as a name suffix, or "" when there is none to show.</summary>
    /// <param name="unit">The instrument's unit, or null.</param>
    /// <param name="isGauge">Only a gauge of unit <c>1</c> is a ratio; counters carry it by habit and count things.</param>
    public static string Of(string? unit, bool isGauge)
    {
        var plain = WithoutAnnotations(unit ?? "");
        if (plain == "1")
            return isGauge ? "ratio" : "";
        var slash = plain.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
            return Word(plain);
        var per = Rate(plain[(slash + 1)..]);
        var of = plain[..slash] is "1" ? "" : Word(plain[..slash]);
        return per.Length == 0 ? of : of.Length == 0 ? $"per_{per}" : $"{of}_per_{per}";
    }

    /// <summary>A count of something, <c>{peer}</c>, has no unit in Prometheus.</summary>
    private static string WithoutAnnotations(string unit)
    {
        var open = unit.IndexOf('{', StringComparison.Ordinal);
        while (open >= 0)
        {
            var close = unit.IndexOf('}', open);
            if (close < 0)
                return unit;
            unit = unit.Remove(open, close - open + 1);
            open = unit.IndexOf('{', StringComparison.Ordinal);
        }
        return unit.Trim();
    }

    private static string Word(string unit) => unit switch
    {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" or "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "bit" => "bits",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => Other(unit),
    };

    private static string Rate(string unit) => unit switch
    {
        "s" => "second",
        "m" or "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" or "wk" => "week",
        "mo" => "month",
        "y" or "a" => "year",
        _ => Other(unit),
    };

    private static string Other(string unit)
    {
        var result = new StringBuilder(unit.Length);
        foreach (var c in unit)
        {
            if (char.IsAsciiLetterOrDigit(c))
                result.Append(c);
            else if (result.Length > 0 && result[^1] != '_')
                result.Append('_');
        }
        return result.ToString().TrimEnd('_');
    }
}
