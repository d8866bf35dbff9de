using System.Collections.Immutable;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Reconciling;

/// <summary>An address claim: whose it is, by the name and uid of its WireGuardPeer, and which addresses.</summary>
internal sealed record AddressClaim(string Uid, ImmutableArray<Prefix> Addresses);

/// <summary>
/// The addresses that are about to be given, in a ConfigMap. A lease does not fence: for a moment two operators may both think that they lead.
/// Whoever gives an address claims it here first, and a claim succeeds only if nobody else claimed anything since it was last read. So one
/// address is never given to two, whoever leads. A claim is needed until its address is seen in the status of its owner.
/// </summary>
/// <param name="space">The operator's namespace.</param>
internal sealed class AddressClaims(ApiWriter api, string space)
{
    /// <summary>Name of the ConfigMap.</summary>
    public const string Name = "wgmesh-addresses";

    /// <summary>A ConfigMap holds a megabyte; this is a fifth of it at most.</summary>
    public const int Most = 500;

    private ConfigMap? _map;

    /// <summary>As they were read or written last, by the name of the WireGuardPeer.</summary>
    public ImmutableDictionary<string, AddressClaim> Current { get; private set; } =
        ImmutableDictionary.Create<string, AddressClaim>(StringComparer.Ordinal);

    /// <summary>Reads them. What claims of before came to must be looked for afterwards, not before.</summary>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        _map = await api.FindConfigMapAsync(space, Name, cancellationToken);
        _map ??= await api.CreateConfigMapAsync(new ConfigMap { Metadata = { Name = Name, Namespace = space } }, cancellationToken);
        Current = _map.Data.Select(entry => KeyValuePair.Create(entry.Key, Parse(entry.Value)))
            .Where(entry => entry.Value is not null)
            .ToImmutableDictionary(entry => entry.Key, entry => entry.Value!, StringComparer.Ordinal);
    }

    /// <summary>Replaces them.</summary>
    /// <exception cref="ApiException">409 or 404: somebody else wrote them; they must be read again.</exception>
    public async Task WriteAsync(ImmutableDictionary<string, AddressClaim> claims, CancellationToken cancellationToken)
    {
        _map!.Data = claims.ToDictionary(entry => entry.Key, entry => $"{entry.Value.Uid} {string.Join(' ', entry.Value.Addresses)}");
        _map = await api.ReplaceConfigMapAsync(_map, cancellationToken);
        Current = claims;
    }

    private static AddressClaim? Parse(string text)
    {
        var words = text.Split(' ');
        var addresses = ImmutableArray.CreateBuilder<Prefix>();
        foreach (var word in words.Skip(1))
        {
            if (!Prefix.TryParse(word, out var address) || address.Length != address.Bits)
                return null;
            addresses.Add(address);
        }

        return addresses.Count == 0 ? null : new AddressClaim(words[0], addresses.ToImmutable());
    }
}
