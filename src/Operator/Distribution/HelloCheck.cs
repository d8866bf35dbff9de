using System.Collections.Immutable;
using Grpc.Core;
using WgMesh.Crds;
using WgMesh.Engine;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using Endpoint = WgMesh.Engine.Endpoint;

namespace WgMesh.Operator.Distribution;

/// <summary>What an agent said of itself, and it holds.</summary>
internal sealed record CheckedHello(string Node, PublicKey PublicKey, ImmutableArray<string> Endpoints, string Version, VersionSet Versions);

/// <summary>Whether an agent may join with what it says of itself.</summary>
internal static class HelloCheck
{
    private const int MostEndpoints = 16, LongestShown = 64;

    /// <exception cref="RpcException">INVALID_ARGUMENT, PERMISSION_DENIED or NOT_FOUND, with what would be right.</exception>
    public static CheckedHello Check(Hello hello, Caller caller, ClusterState cluster)
    {
        if (hello.Node.Length > 0 && !caller.MaySpeakFor(hello.Node))
            throw new RpcException(new Status(StatusCode.PermissionDenied, $"the token is for {caller.Shown}, not for node {Shown(hello.Node)}"));

        var said = Form(hello);
        if (!cluster.Nodes.Any(node => node.Name == hello.Node))
        {
            throw new RpcException(new Status(StatusCode.NotFound, cluster.Outside.Any(node => node.Name == hello.Node)
                ? $"Node {Shown(hello.Node)} is not in the mesh, for its label {Records.SystemLabel} says that it does not run Linux"
                : $"there is no Node {Shown(hello.Node)}"));
        }

        CheckPin(said.Node, said.PublicKey, cluster);
        CheckUnique(said.Node, said.PublicKey, cluster);
        return said;
    }

    /// <summary>What it says, whatever the cluster is.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT, with what would be right.</exception>
    public static CheckedHello Form(Hello hello)
    {
        if (hello.Node.Length == 0)
            throw Invalid("Hello.node is empty: it is the name of the agent's Node");
        if (hello.PublicKey.Length != PublicKey.Length)
            throw Invalid($"Hello.public_key has {hello.PublicKey.Length} bytes; a public key has {PublicKey.Length}");
        if (!hello.PublicKey.Span.ContainsAnyExcept((byte)0))
            throw Invalid("Hello.public_key is all zero, which is no key");
        if (hello.Endpoints.Count > MostEndpoints)
            throw Invalid($"Hello.endpoints has {hello.Endpoints.Count} entries; at most {MostEndpoints} are taken");
        if (hello.Endpoints.FirstOrDefault(text => !Endpoint.TryParse(text, out _)) is { } bad)
            throw Invalid($"Hello.endpoints: \"{Shown(bad)}\" is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820");
        if (hello.Endpoints.FirstOrDefault(text => Endpoint.TryParse(text, out var endpoint) && endpoint.ScopeId != 0) is { } scoped)
            throw Invalid($"Hello.endpoints: \"{Shown(scoped)}\" has a zone, which means nothing on other hosts; announce an address without one");
        if (hello.ProtocolVersions.Any(version => version is 0 or > VersionSet.Greatest))
            throw Invalid($"Hello.protocol_versions: a version is a number from 1 to {VersionSet.Greatest}");
        var versions = hello.ProtocolVersions.Count == 0 ? VersionSet.One : VersionSet.Of(hello.ProtocolVersions);
        if (versions.Numbers.Count() is var several and > WireGuardPeerSpec.MostProtocolVersions)
            throw Invalid($"Hello.protocol_versions names {several} versions; at most {WireGuardPeerSpec.MostProtocolVersions} are taken");

        return new CheckedHello(hello.Node, new PublicKey(hello.PublicKey.Span), [.. hello.Endpoints], Shown(hello.AgentVersion), versions);
    }

    /// <exception cref="RpcException">PERMISSION_DENIED: people declared another key for the node.</exception>
    private static void CheckPin(string node, PublicKey key, ClusterState cluster)
    {
        var pin = cluster.Peers.Where(peer => peer.NodeName == node && peer.HasKey)
            .OrderBy(peer => peer.Created).ThenBy(peer => peer.Name, StringComparer.Ordinal).FirstOrDefault();
        if (pin is not null && pin.PublicKey != key)
            throw Pinned(node, pin.Name, pin.PublicKey, key);
    }

    // what is announced already is for the planner to decide: or two nodes with one key would keep each other out
    private static void CheckUnique(string node, PublicKey key, ClusterState cluster)
    {
        if (cluster.Announcements.GetValueOrDefault(node)?.PublicKey == key)
            return;

        var other = cluster.Announcements.FirstOrDefault(entry => entry.Key != node && entry.Value.PublicKey == key).Key
            ?? cluster.Peers.FirstOrDefault(peer => peer.NodeName is { } name && name != node && peer.PublicKey == key)?.NodeName;
        if (other is not null)
            throw Invalid($"Hello.public_key {key} belongs to Node {other} already; every node needs a key of its own");
        if (cluster.Peers.FirstOrDefault(peer => peer.NodeName is null && peer.PublicKey == key) is { } external)
            throw Invalid($"Hello.public_key {key} belongs to WireGuardPeer {external.Name} already; every node needs a key of its own");
    }

    public static RpcException Pinned(string node, string peer, PublicKey pinned, PublicKey announced) => new(new Status(
        StatusCode.PermissionDenied, $"WireGuardPeer {peer} pins the key of Node {node} to {pinned}; the agent has {announced}"));

    private static RpcException Invalid(string detail) => new(new Status(StatusCode.InvalidArgument, detail));

    /// <summary>What an agent says reaches logs and terminals: none of it is to move a cursor or begin a line, and no character is cut in half.</summary>
    internal static string Shown(string text)
    {
        var length = text.Length <= LongestShown ? text.Length : char.IsHighSurrogate(text[LongestShown - 1]) ? LongestShown - 1 : LongestShown;
        return string.Concat(text.Take(length).Where(c => !char.IsControl(c) && c is not ('\u2028' or '\u2029'))) + (length < text.Length ? "..." : "");
    }
}
