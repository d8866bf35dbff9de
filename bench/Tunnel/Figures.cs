using System.Globalization;

namespace WgMesh.Tunnel;

/// <summary>What was measured, round by round.</summary>
internal sealed class Figures
{
    private readonly List<Dictionary<(string Engine, Measure Measure), double>> _rounds = [];

    public void BeginRound() => _rounds.Add([]);

    public void Add(string engine, Dictionary<Measure, double> turn)
    {
        foreach (var (measure, value) in turn)
            _rounds[^1][(engine, measure)] = value;
    }

    /// <summary>A row for each measure: the median of the rounds and their spread for each engine, and for the ratio of the two that are compared.</summary>
    public string Table(IReadOnlyList<string> engines)
    {
        var table = new StringWriter(CultureInfo.InvariantCulture);
        table.WriteLine($"| median (lowest to highest) | {string.Join(" | ", engines)} | {TunnelEngine.WgMesh} / {TunnelEngine.WireGuardGo} | target | holds |");
        table.WriteLine($"|---|{string.Concat(engines.Select(_ => "---|"))}---|---|---|");
        foreach (var measure in Measure.All.Where(measure => engines.Any(engine => Values(engine, measure).Length > 0)))
        {
            var (ratios, own) = (Ratios(measure), Values(TunnelEngine.WgMesh, measure));
            var judged = measure.IsRatio ? ratios : own;
            var unit = measure.IsRatio ? "×" : "";
            var target = measure.Target is { } limit ? $"{(measure.IsLess ? "≤" : "≥")} {limit.ToString(CultureInfo.InvariantCulture)}{unit}" : "";
            var holds = measure.Target is null || judged.Length == 0 ? "" : measure.IsMet(Median(judged)) ? "yes" : "**no**";
            table.WriteLine(
                $"| {measure.Name} | {string.Join(" | ", engines.Select(engine => Spread(Values(engine, measure), "")))} "
                + $"| {(measure.IsRatio ? Spread(ratios, "×") : "")} | {target} | {holds} |");
        }

        return table.ToString();
    }

    private double[] Values(string engine, Measure measure) =>
        [.. _rounds.Where(round => round.ContainsKey((engine, measure))).Select(round => round[(engine, measure)])];

    // pairs of one round, since the machine is faster in one minute than in another
    private double[] Ratios(Measure measure) =>
    [
        .. from round in _rounds
           where round.ContainsKey((TunnelEngine.WgMesh, measure)) && round.ContainsKey((TunnelEngine.WireGuardGo, measure))
           select round[(TunnelEngine.WgMesh, measure)] / round[(TunnelEngine.WireGuardGo, measure)],
    ];

    private static double Median(double[] values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static string Spread(double[] values, string unit) => values.Length switch
    {
        0 => "",
        1 => Text(values[0]) + unit,
        _ => $"{Text(Median(values))}{unit} ({Text(values.Min())} to {Text(values.Max())})",
    };

    /// <summary>With three digits that count, where there are so many.</summary>
    public static string Text(double value) => value.ToString(
        value switch { >= 100 => "#,0", >= 10 => "0.0", >= 1 => "0.00", 0 => "0", _ => "0.000" }, CultureInfo.InvariantCulture);
}
