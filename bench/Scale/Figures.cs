using System.Globalization;

namespace WgMesh.Scale;

/// <summary>What was measured of one size of mesh.</summary>
internal sealed class Figures
{
    private readonly List<(string What, string Value)> _rows = [];

    public IReadOnlyList<(string What, string Value)> Rows => _rows;

    public void Add(string what, FormattableString value)
    {
        var text = value.ToString(CultureInfo.InvariantCulture);
        _rows.Add((what, text));
        Console.Error.WriteLine($"   {what}: {text}");
    }

    /// <summary>"p50 / p99 / most" in milliseconds.</summary>
    public static string Spread(IEnumerable<double> seconds)
    {
        var sorted = seconds.Order().ToArray();
        return sorted.Length == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{At(0.5):0} / {At(0.99):0} / {At(1):0} ms");

        double At(double part) => sorted[Math.Min(sorted.Length - 1, (int)(part * sorted.Length))] * 1000;
    }

    /// <summary>One column for each size.</summary>
    public static string Table(IReadOnlyList<(int Nodes, Figures Figures)> sizes)
    {
        var table = new StringWriter(CultureInfo.InvariantCulture);
        table.WriteLine($"| nodes | {string.Join(" | ", sizes.Select(size => size.Nodes.ToString("N0", CultureInfo.InvariantCulture)))} |");
        table.WriteLine($"|---|{string.Concat(sizes.Select(_ => "---|"))}");
        foreach (var (what, _) in sizes[^1].Figures.Rows)
        {
            var values = sizes.Select(size => size.Figures.Rows.FirstOrDefault(row => row.What == what).Value ?? "-");
            table.WriteLine($"| {what} | {string.Join(" | ", values)} |");
        }

        return table.ToString();
    }
}
