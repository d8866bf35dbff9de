namespace WgMesh.Crds;

/// <summary>Finds what somebody meant to write.</summary>
internal static class NearestName
{
    /// <summary>The known name that is nearest to a misspelt one, or null if none is near.</summary>
    public static string? Find(string name, IEnumerable<string> known)
    {
        if (name.Length > 64)
            return null;

        var (distance, nearest) = known
            .Select(candidate => (Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant()), candidate))
            .DefaultIfEmpty((int.MaxValue, ""))
            .MinBy(item => item.Item1);
        return distance <= Math.Max(1, name.Length / 3) ? nearest : null;
    }

    /// <summary>Damerau-Levenshtein distance, with transpositions of neighbours (optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
