using System.Net;
using System.Net.NetworkInformation;

namespace WgMesh.Operator.Hosting;

/// <summary>What the command line says: how the operator is reached, and where the cluster comes from, one of two places.</summary>
internal sealed record OperatorOptions
{
    /// <summary>The state folder that is used when none is said.</summary>
    public const string DefaultState = "/var/lib/wgmesh/operator";

    /// <summary>The folder that is read and watched; null: see <see cref="Kubernetes"/>.</summary>
    public string? Manifests { get; init; }

    /// <summary>The Kubernetes API that is read and watched; null: see <see cref="Manifests"/>.</summary>
    public KubernetesOptions? Kubernetes { get; init; }

    /// <summary>The folder that the operator keeps its state in; not used with <see cref="Kubernetes"/>.</summary>
    public string State { get; init; } = DefaultState;

    /// <summary>Null: a file in <see cref="State"/>, made at the first start. Not used with <see cref="Kubernetes"/>.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Where agents and tools connect.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>Where metrics and health are served.</summary>
    public required IPEndPoint MetricsListen { get; init; }

    /// <summary>Names and addresses, besides the host's own, under which the operator is reached.</summary>
    public IReadOnlyList<string> Advertise { get; init; } = [];

    /// <summary>Every name and address under which the operator may be reached.</summary>
    public IEnumerable<string> Names()
    {
        yield return "localhost";
        yield return Dns.GetHostName();
        foreach (var name in Advertise)
            yield return name;

        if (!Listen.Address.Equals(IPAddress.Any) && !Listen.Address.Equals(IPAddress.IPv6Any))
            yield return Listen.Address.ToString();

        yield return IPAddress.Loopback.ToString();
        yield return IPAddress.IPv6Loopback.ToString();
        foreach (var address in NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses))
        {
            // a link-local address means nothing without its link
            if (!address.Address.IsIPv6LinkLocal)
                yield return address.Address.ToString();
        }
    }
}

/// <summary>How the operator runs on a Kubernetes API.</summary>
internal sealed record KubernetesOptions
{
    /// <summary>The agents' service account that is used when none is said.</summary>
    public const string DefaultAgentServiceAccount = "wgmesh-agent";

    /// <summary>Where the chart projects a token of the operator's service account for the audience wgmesh.</summary>
    public const string DefaultReplicaTokenFile = "/var/run/secrets/wgmesh.io/token";

    /// <summary>A kubeconfig file; null: the operator runs in a pod of the cluster.</summary>
    public string? KubeConfig { get; init; }

    /// <summary>The namespace of operator and agents; null: the pod's, or that of the kubeconfig's context.</summary>
    public string? Namespace { get; init; }

    /// <summary>Where other replicas reach this one; its port may be 0: that of <see cref="OperatorOptions.Listen"/>. Null: it is found out.</summary>
    public IPEndPoint? AdvertiseAddress { get; init; }

    /// <summary>In <see cref="Namespace"/>.</summary>
    public string AgentServiceAccount { get; init; } = DefaultAgentServiceAccount;

    /// <summary>What this replica is called: unlike every other. Null: the host's name and something random.</summary>
    public string? Identity { get; init; }

    /// <summary>A manifest of WireGuardMesh default, whose fields are kept as they are there; null: all of its settings are people's.</summary>
    public string? MeshSettings { get; init; }

    /// <summary>The token that this replica proves itself with to others.</summary>
    public string ReplicaTokenFile { get; init; } = DefaultReplicaTokenFile;
}
