using System.Text;

namespace WgMesh.Telemetry.Exposition;

/// <summary>
/// Names in Prometheus' alphabet, by the rules of the OpenTelemetry specification,
/// "Prometheus and OpenMetrics Compatibility", section "Metric Metadata".
/// </summary>
internal static class MetricName
{
    /// <summary>
    /// The family name: the instrument's name with every character outside <c>[a-zA-Z0-9_:]</c> replaced, followed by its unit. A
    /// counter's <c>_total</c> is not part of it (OpenMetrics puts it on the sample, the text format on both).
    /// </summary>
    public static string Family(string name, string unit, bool isCounter)
    {
        var result = Sanitize(name, allowColon: true);
        if (isCounter && result.Length > "_total".Length && result.EndsWith("_total", StringComparison.Ordinal))
            result = result[..^"_total".Length];
        return unit.Length == 0 || result == unit || result.EndsWith("_" + unit, StringComparison.Ordinal) ? result : $"{result}_{unit}";
    }

    /// <summary>
    /// A label name in <c>[a-zA-Z_][a-zA-Z0-9_]*</c>. Runs of underscores become one, which also keeps the prefix <c>__</c>, reserved
    /// by Prometheus for itself, out of the output.
    /// </summary>
    public static string Label(string key) => IsPlainLabel(key) ? key : Sanitize(key, allowColon: false);

    /// <summary>Whether a tag key can be written as it is.</summary>
    public static bool IsPlainLabel(string key)
    {
        if (key.Length == 0 || char.IsAsciiDigit(key[0]))
            return false;
        for (var i = 0; i < key.Length; i++)
            if (!char.IsAsciiLetterOrDigit(key[i]) && (key[i] != '_' || (i > 0 && key[i - 1] == '_')))
                return false;
        return true;
    }

    private static string Sanitize(string name, bool allowColon)
    {
        var result = new StringBuilder(name.Length + 1);
        if (name.Length == 0 || char.IsAsciiDigit(name[0]))
            result.Append('_');
        foreach (var c in name)
        {
            if (char.IsAsciiLetterOrDigit(c) || (allowColon && c == ':'))
                result.Append(c);
            else if (result.Length == 0 || result[^1] != '_')
                result.Append('_');
        }
        return result.ToString();
    }
}
