using System.Globalization;

namespace WgMesh.Tunnel;

/// <summary>The command line.</summary>
/// <param name="Rounds">How often each engine has its turn.</param>
/// <param name="Seconds">How long each transfer lasts.</param>
/// <param name="Engines">Names of <see cref="TunnelEngine.Names"/>.</param>
/// <param name="Only">Names of <see cref="Turn.Steps"/>.</param>
internal sealed record Options(int Rounds, int Seconds, IReadOnlyList<string> Engines, IReadOnlyList<string> Only)
{
    public static string Usage =>
        $"usage: [--rounds N] [--seconds S] [--engines {string.Join(',', TunnelEngine.Names)}] [--only {string.Join(',', Turn.Steps)}]";

    /// <summary>Null if it cannot be read. Six rounds by default: three engines have six orders.</summary>
    public static Options? Parse(string[] args)
    {
        var options = new Options(6, 5, TunnelEngine.Names, Turn.Steps);
        for (var i = 0; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : "";
            var next = args[i] switch
            {
                "--rounds" when Number(value, 100) is { } rounds => options with { Rounds = rounds },
                "--seconds" when Number(value, 60) is { } seconds => options with { Seconds = seconds },
                "--engines" when Names(value, TunnelEngine.Names) is { } engines => options with { Engines = engines },
                "--only" when Names(value, Turn.Steps) is { } steps => options with { Only = steps },
                _ => null,
            };
            if (next is null)
                return null;
            options = next;
        }

        return options;
    }

    private static int? Number(string text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most ? number : null;

    // in the order of those that there are, each once
    private static string[]? Names(string text, IReadOnlyList<string> known)
    {
        var names = text.Split(',');
        return names.All(known.Contains) ? [.. known.Where(names.Contains)] : null;
    }
}
