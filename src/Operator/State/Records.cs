using System.Collections.Immutable;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>From objects to the records that are planned with.</summary>
internal static class Records
{
    /// <summary>The label by which a kubelet says what its node runs.</summary>
    public const string SystemLabel = "kubernetes.io/os";

    /// <summary>Whether the node says that it runs something else than Linux, as agents do.</summary>
    public static bool IsOutside(this Node node) => node.Metadata.Labels.TryGetValue(SystemLabel, out var system) && system != "linux";

    /// <summary>A node, without what of it cannot be used.</summary>
    /// <param name="problems">Takes a sentence for each such part.</param>
    public static NodeRecord From(Node node, DateTimeOffset created, Action<string> problems)
    {
        var podCidrs = ImmutableArray.CreateBuilder<Prefix>();
        List<string> texts = node.Spec.PodCidrs is { Count: > 0 } several ? several : node.Spec.PodCidr is { Length: > 0 } one ? [one] : [];
        foreach (var text in texts)
        {
            if (!Prefix.TryParse(text ?? "", out var prefix))
                problems($"Node/{node.Metadata.Name}: spec.podCIDRs: one is not a prefix such as 10.244.1.0/24 or fd00:244:1::/64; it is not used");
            else if (!podCidrs.Contains(prefix))
                podCidrs.Add(prefix);
        }

        var addresses = node.Status.Addresses.Where(address => address.Type is "InternalIP" or "ExternalIP").ToList();
        // an agent refuses a configuration with such an endpoint as a whole
        foreach (var address in addresses.Where(address => !Parsing.IsPlainAddress(address.Address)))
        {
            problems($"Node/{node.Metadata.Name}: status.addresses: the {address.Type} is not an address such as 192.0.2.1 or 2001:db8::1; " +
                "it is not used");
        }

        addresses.RemoveAll(address => !Parsing.IsPlainAddress(address.Address));
        return new NodeRecord
        {
            Name = node.Metadata.Name,
            Created = created,
            PodCidrs = podCidrs.ToImmutable(),
            Labels = node.Metadata.Labels.ToImmutableSortedDictionary(StringComparer.Ordinal),
            HostAddresses = Parsing.Prefixes(addresses.Select(address => address.Address)),
            Address = (addresses.Find(address => address.Type == "InternalIP") ?? addresses.FirstOrDefault())?.Address,
        };
    }

    /// <summary>A peer that people declared, and that passed validation. One without a public key has that of all zeros: it is for the planner to refuse.</summary>
    /// <param name="space">The namespace of a Secret that is named without one.</param>
    public static PeerRecord From(WireGuardPeerSpec spec, string name, DateTimeOffset created, long generation, string space) => new()
    {
        Name = name,
        Created = created,
        Generation = generation,
        PublicKey = PublicKey.TryParseBase64(spec.PublicKey ?? "", out var key) ? key : default,
        Endpoint = spec.Endpoint?.ToString(),
        AllowedIps = Parsing.Prefixes(spec.AllowedIPs),
        PersistentKeepalive = (ushort?)spec.PersistentKeepalive,
        PresharedKey = spec.PresharedKeySecretRef is { } reference
            ? new(string.IsNullOrEmpty(reference.Namespace) ? space : reference.Namespace, reference.Name, reference.Key)
            : null,
        GatewaySelector = spec.Gateways?.NodeSelector.ToImmutableSortedDictionary(StringComparer.Ordinal),
        NodeName = spec.NodeName,
        Versions = VersionSet.Of(spec.ProtocolVersions),
    };

    /// <summary>Whether the two say the same: a Node changes every few minutes, and mostly in nothing that matters here.</summary>
    public static bool SameAs(this NodeRecord left, NodeRecord right) =>
        left.Name == right.Name && left.Created == right.Created && left.Address == right.Address
        && left.PodCidrs.SequenceEqual(right.PodCidrs)
        && left.HostAddresses.SequenceEqual(right.HostAddresses)
        && left.Labels.SequenceEqual(right.Labels);
}
