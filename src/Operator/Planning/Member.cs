using System.Diagnostics.CodeAnalysis;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>A node or a declared peer while it is decided what becomes of it.</summary>
/// <param name="name">Of its peer.</param>
internal sealed class Member(string name, PeerKind kind)
{
    public string Name { get; set; } = name;

    public PeerKind Kind { get; } = kind;

    /// <summary>What counts as its age where two want the same.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>Null for what is no node.</summary>
    public NodeRecord? Node { get; init; }

    public Announcement? Announcement { get; init; }

    /// <summary>What people declared; null for a node that nobody declared anything for, and for what cannot be used.</summary>
    public PeerRecord? Peer { get; set; }

    /// <summary>Of the object that says what it is; 0: unknown.</summary>
    public long Generation { get; set; }

    public PublicKey? PublicKey { get; set; }

    public DateTimeOffset KeySince { get; set; }

    public SecretKey? PresharedKey { get; set; }

    /// <summary>What a node's agent said is better known than what people declared of it; of a pinned node it may be all there is.</summary>
    public VersionSet Versions => (Node is null ? null : Announcement?.Versions) ?? Peer?.Versions ?? VersionSet.One;

    /// <summary>Its own addresses in the mesh: those that are stored.</summary>
    public List<Prefix> Addresses { get; } = [];

    /// <summary>What was declared and is not the cluster's.</summary>
    public List<Prefix> Claims { get; } = [];

    /// <summary>What it has in the end.</summary>
    public List<Prefix> AllowedIps { get; } = [];

    public List<string> Messages { get; } = [];

    /// <summary>One of <see cref="PeerReason"/>: of the refusal, else of the first loss; null: nothing is wrong.</summary>
    public string? Reason { get; private set; }

    public bool IsRefused { get; private set; }

    /// <summary>Whether others have it as a peer.</summary>
    [MemberNotNullWhen(true, nameof(PublicKey))]
    public bool IsServed => !IsRefused && PublicKey is not null;

    /// <summary>Of a device, the nodes that admit it, ordered by name; null: all do.</summary>
    public IReadOnlyList<Member>? GatewayNodes { get; set; }

    /// <summary>Of a device that not all nodes admit, the node that the others reach it through.</summary>
    public Member? Gateway { get; set; }

    /// <summary>Of a node, the devices that it admits and others do not.</summary>
    public AdmittedDevices Admits { get; set; } = AdmittedDevices.None;

    public string Title => field ??= Node is null ? $"WireGuardPeer {Name}" : $"Node {Node.Name}";

    /// <summary>Whether it gets addresses from the pools, unless it has them.</summary>
    public bool WantsAddresses => Node is not null || (!IsRefused && Peer is { AllowedIps.IsEmpty: true });

    public void Refuse(string reason, string message)
    {
        (IsRefused, Reason) = (true, reason);
        Messages.Add(message);
    }

    public void Lose(string reason, string message)
    {
        Reason ??= reason;
        Messages.Add(message);
    }
}
