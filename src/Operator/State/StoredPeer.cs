using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>A WireGuardPeer of an API server, as far as it can be read: a field that cannot takes nothing else along.</summary>
internal sealed record StoredPeer
{
    /// <summary>The label of what the operator makes itself, and its value.</summary>
    public const string ManagedByLabel = "app.kubernetes.io/managed-by", ManagedBy = "wgmesh-operator";

    public required StoredResource Object { get; init; }

    public string Name => Object.Metadata.Name;

    public string Uid => Object.Metadata.Uid ?? "";

    public DateTimeOffset Created => Object.Metadata.CreationTimestamp ?? default;

    public long Generation => Object.Metadata.Generation ?? 0;

    /// <summary>The Node that the operator made the peer for; null: people made it.</summary>
    public required OwnerReference? Owner { get; init; }

    /// <summary>What is wanted; null: it does not hold to the schema.</summary>
    public required WireGuardPeerSpec? Spec { get; init; }

    /// <summary>What people declare with it, and it can be used.</summary>
    public required PeerRecord? Record { get; init; }

    /// <summary>What people declare with it, and it cannot be used.</summary>
    public required UnusablePeer? Unusable { get; init; }

    /// <summary>What the agent of <see cref="Owner"/> announced.</summary>
    public required Announcement? Announcement { get; init; }

    /// <summary>The addresses that it was given.</summary>
    public required ImmutableArray<Prefix> Allocated { get; init; }

    /// <summary>Null: none, or none that can be read.</summary>
    public required WireGuardPeerStatus? Status { get; init; }

    /// <summary>Whether more than the metadata could be read: what could not may be right later, in the same generation.</summary>
    public bool IsReadable { get; private init; } = true;

    /// <summary>Whether it is the peer that the operator made for the node as it is now: one of the same name may have been there before.</summary>
    public bool IsOf(Node node) => Owner is { } owner && owner.Name == Name && owner.Uid == node.Metadata.Uid && node.Metadata.Name == Name;

    /// <summary>Reads an object.</summary>
    /// <param name="before">The object as it was read before, whose parts are used again as far as they say the same; null: it was not there.</param>
    /// <param name="space">The namespace of a Secret that is named without one.</param>
    public static StoredPeer Read(StoredResource stored, StoredPeer? before, string space)
    {
        var owner = stored.Metadata.Labels.GetValueOrDefault(ManagedByLabel) == ManagedBy
            ? stored.Metadata.OwnerReferences.Find(
                owner => owner is { Kind: "Node", ApiVersion: "v1" } && owner.Name == stored.Metadata.Name) // else it is a copy that people made
            : null;
        var allocated = ReadAllocated(stored.Status);
        if (before is not null && allocated.SequenceEqual(before.Allocated))
            allocated = before.Allocated;
        var read = new StoredPeer
        {
            Object = stored,
            Owner = owner,
            Spec = null,
            Record = null,
            Unusable = null,
            Announcement = null,
            Allocated = allocated,
            Status = stored.ReadPeerStatus(),
        };

        // status is written often, the spec seldom
        if (before is { IsReadable: true } && before.Uid == read.Uid && before.Generation == read.Generation && read.Generation > 0
            && before.Owner is null == owner is null)
            return read with { Spec = before.Spec, Record = before.Record, Unusable = before.Unusable, Announcement = before.Announcement };

        var problems = ImmutableArray.CreateBuilder<string>();
        var spec = stored.ReadPeer((field, message) => problems.Add($"{field}: {message}"));
        if (owner is not null)
            return read with { Spec = spec, Announcement = AnnouncedBy(spec, read.Created, read.Generation) };

        return problems.Count > 0
            ? read with { Unusable = new UnusablePeer(read.Name, read.Created, read.Generation, problems.ToImmutable()) }
            : read with { Spec = spec, Record = Records.From(spec!, read.Name, read.Created, read.Generation, space) };
    }

    /// <summary>An object of which not even the metadata can be made sense of beyond its name.</summary>
    public static StoredPeer Unreadable(UnreadableObject unreadable) => new()
    {
        Object = new StoredResource { Kind = "WireGuardPeer", Metadata = unreadable.Metadata },
        Owner = null,
        Spec = null,
        Record = null,
        Unusable = new UnusablePeer(
            unreadable.Metadata.Name,
            unreadable.Metadata.CreationTimestamp ?? default,
            unreadable.Metadata.Generation ?? 0,
            [unreadable.Problem]),
        Announcement = null,
        Allocated = [],
        Status = null,
        IsReadable = false,
    };

    private static Announcement? AnnouncedBy(WireGuardPeerSpec? spec, DateTimeOffset since, long generation) =>
        spec is not null && PublicKey.TryParseBase64(spec.PublicKey ?? "", out var key)
            ? new Announcement(key, spec.Endpoint is { } endpoint ? [endpoint.ToString()] : [], since)
            {
                Versions = VersionSet.Of(spec.ProtocolVersions),
                Generation = generation,
            }
            : null;

    private static ImmutableArray<Prefix> ReadAllocated(JsonNode? status)
    {
        if ((status as JsonObject)?["allocatedAddresses"] is not JsonArray { Count: > 0 } texts)
            return [];

        var addresses = ImmutableArray.CreateBuilder<Prefix>(texts.Count);
        foreach (var text in texts)
        {
            if (text?.GetValueKind() == JsonValueKind.String && Prefix.TryParse(text.GetValue<string>(), out var address)
                && address.Length == address.Bits && !addresses.Contains(address))
                addresses.Add(address);
        }

        return addresses.ToImmutable();
    }
}
