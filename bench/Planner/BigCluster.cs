using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;

namespace WgMesh.Planner;

/// <summary>
/// A cluster of so many nodes, each with pods of both families and an agent that announced a key; a device for each ten nodes, half of
/// them with prefixes of their own, and ten devices behind three gateways.
/// </summary>
internal static class BigCluster
{
    private static readonly DateTimeOffset Day = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    public static ClusterState Of(int nodes)
    {
        var cluster = new ClusterState
        {
            Mesh = MeshRecord.Default with
            {
                AddressPools = Parsing.Prefixes(["100.64.0.0/16", "fd90:90::/64"]),
                PodCidrs = Parsing.Prefixes(["10.0.0.0/9", "fd00::/16"]),
                ServiceCidrs = Parsing.Prefixes(["10.200.0.0/16", "fd01::/108"]),
            },
            Nodes = [.. Enumerable.Range(0, nodes).Select(Node)],
            Peers = [.. Enumerable.Range(0, nodes / 10).Select(Device), .. Enumerable.Range(0, 10).Select(BehindGateway)],
            Announcements = Enumerable.Range(0, nodes).ToImmutableSortedDictionary(NameOf, i => Announced(i, i + 1), StringComparer.Ordinal),
        };
        return Settled(cluster);
    }

    /// <summary>As the operator goes on: with the addresses given and stored.</summary>
    public static ClusterState Settled(ClusterState cluster) => cluster with { Addresses = AddressPlanner.Give(cluster) };

    public static string NameOf(int node) => string.Create(CultureInfo.InvariantCulture, $"node-{node:D5}");

    public static NodeRecord Node(int i) => new()
    {
        Name = NameOf(i),
        Created = Day.AddSeconds(i),
        Address = Underlay(i),
        HostAddresses = Parsing.Prefixes([Underlay(i)]),
        PodCidrs = Parsing.Prefixes([$"10.{i / 256}.{i % 256}.0/24", string.Create(CultureInfo.InvariantCulture, $"fd00:{i:x}::/64")]),
        Labels = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal)
            .Add("kubernetes.io/hostname", NameOf(i)).Add("gateway", i < 3 ? "yes" : "no"),
    };

    public static Announcement Announced(int i, int key) => new(Key(key), [$"{Underlay(i)}:51820"], Day.AddSeconds(i));

    public static PeerRecord Device(int i) => new()
    {
        Name = string.Create(CultureInfo.InvariantCulture, $"device-{i:D5}"),
        Created = Day.AddSeconds(i),
        PublicKey = Key(1_000_000 + i),
        AllowedIps = i % 2 == 0 ? [] : [Prefix.Create((UInt128)(0xC0A80000u + (uint)(i << 4)), 28, false)],
    };

    private static PeerRecord BehindGateway(int i) => Device(500_000 + i) with
    {
        GatewaySelector = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("gateway", "yes"),
        AllowedIps = [Prefix.Create((UInt128)(0xAC100000u + (uint)(i << 8)), 24, false)],
    };

    private static string Underlay(int i) => $"198.{18 + (i / 62_500)}.{i / 250 % 250}.{(i % 250) + 1}";

    private static PublicKey Key(int seed) => new(SHA256.HashData(BitConverter.GetBytes(seed)));
}
