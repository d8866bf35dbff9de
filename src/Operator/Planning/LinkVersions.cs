using WgMesh.Operator.State;

namespace WgMesh.Operator.Planning;

/// <summary>How far the mesh is with the protocol version that its settings ask for.</summary>
/// <param name="Version">The version.</param>
/// <param name="AtGeneration">The generation of the settings from which on it is asked for; null: at once.</param>
/// <param name="Generation">Of the settings now.</param>
/// <param name="Nodes">Nodes with a key.</param>
/// <param name="ReadyNodes">Of them, those that speak it.</param>
internal sealed record ProtocolProgress(uint Version, long? AtGeneration, long Generation, int Nodes, int ReadyNodes)
{
    /// <summary>Whether links are to use it now.</summary>
    public bool IsDue => AtGeneration is not { } at || Generation >= at;
}

/// <summary>
/// Which protocol version a link has. Pure: it follows from what its two ends speak and from the mesh's settings alone.
/// <list type="number">
/// <item>The newest version that both ends speak.</item>
/// <item>If the settings ask for one: none above that; and before the generation at which they ask for it, only older ones.</item>
/// <item>If both ends speak no such version: the newest that both speak, for a link that is down helps nobody. The nodes that are the
/// reason are named.</item>
/// <item>If they have no version in common: each end its own newest. That link is down, and named; but its prefixes stay routed into
/// the tunnel, so that nothing for them leaves in the clear.</item>
/// </list>
/// </summary>
internal sealed class LinkVersions
{
    private const int MostNames = 5;

    private readonly uint _limit;
    private readonly ProtocolProgress? _progress;

    /// <param name="mesh">The settings.</param>
    /// <param name="nodes">What the nodes with a key speak.</param>
    public LinkVersions(MeshRecord mesh, IReadOnlyCollection<VersionSet> nodes)
    {
        _limit = VersionSet.Greatest;
        if (mesh.Protocol is { } wanted)
        {
            _progress = new ProtocolProgress(
                wanted.Version, wanted.AtGeneration, mesh.Generation, nodes.Count, nodes.Count(node => node.Contains(wanted.Version)));
            _limit = _progress.IsDue ? wanted.Version : wanted.Version - 1;
        }
    }

    /// <summary>Null: the settings ask for no version.</summary>
    public ProtocolProgress? Progress => _progress;

    /// <summary>The version that an end which speaks <paramref name="own"/> starts handshakes in with one that speaks <paramref name="other"/>.</summary>
    public uint Of(VersionSet own, VersionSet other)
    {
        var common = own.And(other);
        if (common.IsEmpty)
            return own.Newest;

        var allowed = common.UpTo(_limit);
        return (allowed.IsEmpty ? common : allowed).Newest;
    }

    /// <summary>What cannot be as it is asked for, one sentence each.</summary>
    /// <param name="members">All that are served, in order.</param>
    public IEnumerable<string> Conflicts(IReadOnlyList<Member> members)
    {
        // external devices are as they are: only nodes can be expected to follow the mesh's settings
        if (_progress is { } progress)
        {
            var behind = members
                .Where(member => member.Node is not null && (progress.IsDue ? !member.Versions.Contains(progress.Version) : member.Versions.UpTo(_limit).IsEmpty))
                .Select(member => member.Title)
                .ToList();
            if (behind.Count > 0)
            {
                yield return $"WireGuardMesh default: protocol version {(progress.IsDue ? "" : "before ")}{progress.Version} is not spoken by "
                    + $"{Names(behind)}: links there use the newest version that both ends speak.";
            }
        }

        // by what they speak, of which nodes have few kinds, and not by pairs of members
        var kinds = members.GroupBy(member => member.Versions).ToList();
        var ofNodes = kinds.ConvertAll(kind => kind.Any(member => member.Node is not null)); // external devices have no links with each other
        for (var i = 0; i < kinds.Count; i++)
        {
            for (var j = 0; ofNodes[i] && j < kinds.Count; j++)
            {
                if (kinds[i].Key.And(kinds[j].Key).IsEmpty && !(ofNodes[j] && j < i))
                {
                    var (one, other) = (kinds[Math.Min(i, j)], kinds[Math.Max(i, j)]);
                    yield return "No link is possible, for want of a common protocol version, between what speaks "
                        + $"{one.Key} ({Names(one.Select(member => member.Title))}) and what speaks "
                        + $"{other.Key} ({Names(other.Select(member => member.Title))}).";
                }
            }
        }
    }

    private static string Names(IEnumerable<string> titles)
    {
        var all = titles.ToList();
        return string.Join(", ", all.Take(MostNames)) + (all.Count > MostNames ? $" and {all.Count - MostNames} more" : "");
    }
}
