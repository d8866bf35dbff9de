namespace WgMesh.NodeAgent.Cni;

/// <summary>The node's table of <see cref="MasqueradeRules"/>. No other table is ever touched. One caller at a time.</summary>
internal sealed class Masquerade(Nft nft)
{
    // as composed, and as nft then showed it, which is another notation
    private (string Composed, string Shown)? _inForce;

    /// <summary>Whether a table, if there was one, could not even be looked for when it was to be taken away.</summary>
    internal bool IsWithoutProgram { get; private set; }

    /// <summary>Puts the table there, unless it is right.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal string? Apply(PodNetworkState desired)
    {
        var composed = MasqueradeRules.Compose(desired);
        if (_inForce is { } last && last.Composed == composed && Show() == last.Shown)
        {
            return null;
        }

        _inForce = null;
        var result = nft.Run(composed, "-f", "-");
        if (!result.IsDone)
        {
            return $"masquerade: {result.Error}";
        }

        _inForce = Show() is { } shown ? (composed, shown) : null;
        return null;
    }

    /// <summary>Takes the table away, if there is one.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal string? Remove()
    {
        _inForce = null;
        var result = nft.Run("", ["delete", "table", .. Name]);
        // without the program no agent has made a table here, or somebody took it away since: nothing here could do more about it
        IsWithoutProgram = result.Outcome == NftOutcome.NoProgram;
        return result.Outcome == NftOutcome.Failed ? $"masquerade: {result.Error}" : null;
    }

    private static string[] Name => MasqueradeRules.Table.Split(' ');

    private string? Show() => nft.Run("", ["list", "table", .. Name]) is { IsDone: true } result ? result.Output : null;
}
