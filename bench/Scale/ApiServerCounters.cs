using System.Globalization;
using System.Text.RegularExpressions;

namespace WgMesh.Scale;

/// <summary>What the API server counted so far, from its /metrics.</summary>
/// <param name="Writes">Requests that changed something, by resource.</param>
/// <param name="WatchEvents">Events sent to watchers, of all kinds.</param>
internal sealed record ApiServerCounters(IReadOnlyDictionary<string, double> Writes, double WatchEvents)
{
    private static readonly string[] WriteVerbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];

    // asked and answered, not stored
    private static readonly string[] NotStored = ["tokenreviews", "subjectaccessreviews", "serviceaccounts"];

    public static ApiServerCounters Parse(string metrics)
    {
        var writes = new SortedDictionary<string, double>(StringComparer.Ordinal);
        var events = 0.0;
        foreach (var line in metrics.Split('\n'))
        {
            if (line.StartsWith("apiserver_watch_events_total{", StringComparison.Ordinal))
            {
                events += Value(line);
            }
            else if (line.StartsWith("apiserver_request_total{", StringComparison.Ordinal)
                && WriteVerbs.Contains(Label(line, "verb")) && Label(line, "resource") is var resource && !NotStored.Contains(resource)
                && Label(line, "code").StartsWith('2'))
            {
                var name = Label(line, "subresource") is { Length: > 0 } sub ? $"{resource}/{sub}" : resource;
                writes[name] = writes.GetValueOrDefault(name) + Value(line);
            }
        }

        return new ApiServerCounters(writes, events);
    }

    public ApiServerCounters Since(ApiServerCounters before) => new(
        Writes.ToDictionary(entry => entry.Key, entry => entry.Value - before.Writes.GetValueOrDefault(entry.Key)), WatchEvents - before.WatchEvents);

    /// <summary>"leases 30, wireguardmeshes/status 1".</summary>
    public override string ToString() =>
        string.Join(", ", Writes.Where(entry => entry.Value > 0).Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Key} {entry.Value:0}")));

    private static double Value(string line) => double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture);

    private static string Label(string line, string name) => Regex.Match(line, $"[{{,]{name}=\"([^\"]*)\"").Groups[1].Value;
}
