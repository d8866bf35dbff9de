using System.Globalization;

namespace WgMesh.Telemetry.Exposition;

/// <summary>Tags as Prometheus labels: valid, distinct names and escaped values.</summary>
internal static class Labels
{
    /// <summary>Nothing is reserved: the labels stand alone.</summary>
    public static readonly Predicate<string> NoneReserved = static _ => false;

    /// <summary>On a sample: the meter's own labels.</summary>
    public static readonly Predicate<string> ReservedOnSamples = static name => name.StartsWith("otel_scope_", StringComparison.Ordinal);

    /// <summary>On a histogram's sample: also the bucket's boundary.</summary>
    public static readonly Predicate<string> ReservedOnBuckets = static name => name == "le" || ReservedOnSamples(name);

    /// <summary>
    /// Writes <c>name="value",name="value"</c>. Keys that become the same name are joined into one label, their values separated by
    /// <c>;</c> in the order of the original keys (OpenTelemetry specification, "Metric Attributes").
    /// </summary>
    /// <param name="buffer">Where to write.</param>
    /// <param name="tags">The tags; left sorted by key if a name had to be changed.</param>
    /// <param name="reserved">Names that the exporter writes itself. A tag of such a name gets the prefix <c>exported_</c>, as
    /// Prometheus does with a target's labels that clash with its own.</param>
    public static void Write(ExpositionBuffer buffer, Span<KeyValuePair<string, object?>> tags, Predicate<string> reserved)
    {
        if (AllPlainAndDistinct(tags, reserved))
        {
            for (var i = 0; i < tags.Length; i++)
                WriteOne(buffer, tags[i].Key, Text(tags[i].Value), first: i == 0);
            return;
        }

        tags.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        var joined = new List<KeyValuePair<string, string>>(tags.Length);
        foreach (var (key, value) in tags)
        {
            var name = MetricName.Label(key);
            if (reserved(name))
                name = "exported_" + name;
            var at = joined.FindIndex(label => label.Key == name);
            if (at < 0)
                joined.Add(new(name, Text(value)));
            else
                joined[at] = new(name, $"{joined[at].Value};{Text(value)}");
        }
        for (var i = 0; i < joined.Count; i++)
            WriteOne(buffer, joined[i].Key, joined[i].Value, first: i == 0);
    }

    private static bool AllPlainAndDistinct(ReadOnlySpan<KeyValuePair<string, object?>> tags, Predicate<string> reserved)
    {
        for (var i = 0; i < tags.Length; i++)
        {
            if (reserved(tags[i].Key) || !MetricName.IsPlainLabel(tags[i].Key))
                return false;
            for (var j = 0; j < i; j++)
                if (tags[i].Key == tags[j].Key)
                    return false;
        }
        return true;
    }

    private static void WriteOne(ExpositionBuffer buffer, string name, string value, bool first)
    {
        if (!first)
            buffer.Write(","u8);
        buffer.Write(name);
        buffer.Write("=\""u8);
        buffer.WriteLabelValue(value);
        buffer.Write("\""u8);
    }

    private static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool flag => flag ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
