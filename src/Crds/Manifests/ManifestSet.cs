using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>What manifests say: the objects that hold, and everything that does not.</summary>
public sealed class ManifestSet
{
    private readonly Dictionary<IKubernetesObject, ManifestSource> _sources = new(ReferenceEqualityComparer.Instance);
    private readonly List<Node> _nodes = [];
    private readonly List<Secret> _secrets = [];
    private readonly List<WireGuardPeer> _peers = [];
    private readonly List<ManifestProblem> _problems = [];
    private readonly List<IgnoredObject> _ignored = [];

    internal ManifestSet()
    {
    }

    /// <summary>In the order read.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>In the order read.</summary>
    public IReadOnlyList<Secret> Secrets => _secrets;

    /// <summary>In the order read.</summary>
    public IReadOnlyList<WireGuardPeer> Peers => _peers;

    /// <summary>The settings of the mesh; null if no manifest holds (acceptable) ones.</summary>
    public WireGuardMesh? Mesh { get; private set; }

    /// <summary>Everything wrong, in the order read. The objects concerned are not among the others.</summary>
    public IReadOnlyList<ManifestProblem> Problems => _problems;

    /// <summary>Objects of other kinds.</summary>
    public IReadOnlyList<IgnoredObject> Ignored => _ignored;

    /// <summary>Where an object of this set was read.</summary>
    /// <exception cref="KeyNotFoundException">The object is not of this set.</exception>
    public ManifestSource SourceOf(IKubernetesObject read) => _sources[read];

    internal void Add(IKubernetesObject read, ManifestSource source)
    {
        _sources.Add(read, source);
        switch (read)
        {
            case Node node:
                if (node.Spec is { PodCidr: { } first, PodCidrs.Count: 0 })
                    node.Spec.PodCidrs.Add(first); // as the API server does for what predates dual stack
                else if (node.Spec is { PodCidr: null, PodCidrs: [var head, ..] })
                    node.Spec.PodCidr = head;
                _nodes.Add(node);
                break;
            case Secret secret:
                _secrets.Add(secret);
                break;
            case WireGuardPeer peer:
                _peers.Add(peer);
                break;
            case WireGuardMesh mesh:
                Mesh = mesh;
                break;
        }
    }

    internal void Add(ManifestProblem problem) => _problems.Add(problem);

    internal void Add(IgnoredObject ignored) => _ignored.Add(ignored);
}
