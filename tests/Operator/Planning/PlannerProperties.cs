using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using WgMesh.Engine.Routing;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

/// <summary>Rules that hold for every cluster; the generated ones are small and full of quarrels.</summary>
public class PlannerProperties
{
    private static readonly string[] NodeCidrs = ["10.244.1.0/24", "10.244.2.0/24", "10.244.0.0/16", "10.244.2.128/25", "fd00:1::/64",
        "10.90.1.0/24"];

    private static readonly string[] Claims =
    [
        "10.244.1.7/32", "10.0.0.0/8", "192.168.1.0/24", "192.168.1.0/25", "192.168.1.7/32", "192.168.2.0/24", "10.90.0.1/32",
        "10.90.0.5/32",
        "10.90.0.0/16", "10.96.0.0/16", "fd00:1::/64", "fd99::/64", "::/0", "fd90:90::3/128",
    ];

    private static readonly Gen<NodeRecord> NodeGen =
        from name in Gen.Elements("a", "b", "c", "d", "e")
        from age in Gen.Choose(0, 2)
        from address in Gen.Elements<string?>("192.0.2.1", null)
        from cidrs in Gen.SubListOf(NodeCidrs)
        select Node(name, age, address, [.. cidrs.Take(2)]);

    private static readonly Gen<PeerRecord> PeerGen =
        from name in Gen.Elements("a", "laptop", "phone", "site", "tablet", "gate")
        from key in Gen.Choose(1, 9)
        from age in Gen.Choose(0, 2)
        from claims in Gen.SubListOf(Claims)
        from count in Gen.Choose(0, 3)
        from node in Gen.Elements<string?>(null, null, null, "b", "x")
        from secret in Gen.Elements<SecretReference?>(null, null, null, new SecretReference("wgmesh", "psk", "key"))
        select Peer(name, key, age, [.. claims.Take(count)]) with { NodeName = node, PresharedKey = secret };

    private static readonly Gen<VersionSet> VersionsGen =
        from numbers in Gen.Elements<uint[]>([1], [1], [1, 2], [1, 2], [2], [2, 3])
        select VersionSet.Of(numbers);

    private static readonly Gen<ProtocolRecord?> ProtocolGen =
        from version in Gen.Choose(0, 3)
        from at in Gen.Elements<long?>(null, null, 1, 3)
        select version == 0 ? null : new ProtocolRecord((uint)version, at);

    private static readonly Gen<(string Node, int Key, VersionSet Versions)> AnnouncementGen =
        from node in Gen.Elements("a", "b", "c", "d", "e", "gone")
        from key in Gen.Choose(1, 9)
        from versions in VersionsGen
        select (node, key, versions);

    private static readonly Gen<ClusterState> ClusterGen =
        from nodes in Gen.ListOf(NodeGen, 4)
        from peers in Gen.ListOf(PeerGen, 5)
        from announcements in Gen.ListOf(AnnouncementGen, 4)
        from pool in Gen.Elements("10.90.0.0/16", "10.90.0.0/29")
        from services in Gen.Elements("10.96.0.0/12", "172.20.0.0/16")
        from protocol in ProtocolGen
        from generation in Gen.Choose(1, 4)
        let cluster = ClusterState.Empty.With([.. nodes.DistinctBy(node => node.Name)]).With([.. peers.DistinctBy(peer => peer.Name)])
        select announcements.Aggregate(cluster, (state, said) => state.Announcing(said.Node, said.Key, said.Versions)) with
        {
            Mesh = MeshRecord.Default with { AddressPools = Cidrs(pool, "fd90:90::/64"), ServiceCidrs = Cidrs(services),
                PodCidrs = Cidrs("10.244.0.0/16"), Protocol = protocol, Generation = generation },
        };

    private static void ForAll(Func<ClusterState, bool> rule) => Holds(Prop.ForAll(ClusterGen.ToArbitrary(), rule));

    private static void Holds(Property property) => Check.One(Properties.Config(300), property);

    [Fact]
    public void The_order_of_the_objects_does_not_matter() => ForAll(cluster =>
    {
        var reversed = cluster with { Nodes = [.. cluster.Nodes.Reverse()], Peers = [.. cluster.Peers.Reverse()] };
        return Text(cluster.Plan()) == Text(reversed.Plan()) && cluster.Plan().SameAs(reversed.Plan());
    });

    [Fact]
    public void A_prefix_has_one_owner_and_the_clusters_prefixes_have_no_external_one() => ForAll(cluster =>
    {
        var plan = cluster.Settled().Plan();
        var all = plan.Peers.SelectMany(peer => peer.AllowedIps).ToList();
        var kept = plan.Nodes.Values.SelectMany(node => node.Addresses)
            .Select(Parsing.Prefix)
            .Concat(cluster.Nodes.SelectMany(node => node.PodCidrs))
            .Concat(cluster.Mesh.PodCidrs)
            .Concat(cluster.Mesh.ServiceCidrs)
            .ToList();
        return all.Count == all.Distinct().Count()
            && plan.Peers.Where(peer => peer.Kind == PeerKind.External)
                .SelectMany(peer => peer.AllowedIps).Select(Parsing.Prefix)
                .All(allowed => !kept.Any(cidr => cidr.Overlaps(allowed)));
    });

    [Fact]
    public void A_public_key_and_a_name_have_one_peer() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Peers.Length == plan.Peers.DistinctBy(peer => peer.PublicKey).Count()
            && plan.Peers.Length == plan.Peers.DistinctBy(peer => peer.Name).Count();
    });

    [Fact]
    public void The_ends_of_a_link_have_one_version_that_both_speak_or_none_in_common() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Nodes.Keys.All(from => plan.Nodes.Keys.Where(to => to != from).All(to =>
        {
            var there = plan.ForNode(from, 1)!.Peers.SingleOrDefault(peer => peer.Name == plan.Nodes[to].PeerName);
            var back = plan.ForNode(to, 1)!.Peers.SingleOrDefault(peer => peer.Name == plan.Nodes[from].PeerName);
            var (own, others) = (plan.Nodes[from].Versions, plan.Nodes[to].Versions);
            return there is null || back is null
                || (own.Contains(there.ProtocolVersion)
                    && (own.And(others).IsEmpty ? plan.Conflicts.Any(text => text.Contains("No link", StringComparison.Ordinal))
                        : there.ProtocolVersion == back.ProtocolVersion && others.Contains(there.ProtocolVersion)));
        }));
    });

    [Fact]
    public void Everyone_has_an_outcome_and_whoever_lost_something_is_told() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Outcomes.Count(outcome => outcome.Kind == PeerKind.Node) == cluster.Nodes.Length
            && plan.Outcomes.All(outcome =>
                (outcome.Messages.Length > 0) == (outcome.Admission is PeerAdmission.Refused or PeerAdmission.PartlyAccepted)
                || outcome.Admission == PeerAdmission.Waiting)
            && cluster.Peers.Where(peer => plan.Peers.Any(config => config.Name == peer.Name && config.Kind == PeerKind.External))
                .All(peer => peer.AllowedIps.All(asked => plan.AllowedIps(peer.Name).Contains(asked.ToString())
                    || plan.Outcome(peer.Name, PeerKind.External).Messages.Any(message =>
                        message.Contains(asked.ToString(), StringComparison.Ordinal))));
    });

    [Fact]
    public void Addresses_never_change_when_others_come_and_go() =>
        Holds(Prop.ForAll(ClusterGen.ToArbitrary(), ClusterGen.ToArbitrary(), (before, after) =>
    {
        var first = before.Settled().Addresses;
        var second = (after with { Addresses = first, Mesh = before.Mesh }).Settled().Addresses;
        return first.Nodes.All(entry => !after.Nodes.Any(node => node.Name == entry.Key)
            || entry.Value.All(second.Nodes[entry.Key].Contains))
            && first.Peers.All(entry => !after.Peers.Any(peer => peer.Name == entry.Key && peer.NodeName is null
                && !after.Nodes.Any(node => node.Name == peer.Name))
                || entry.Value.All(second.Peers[entry.Key].Contains));
    }));

    [Fact]
    public void No_address_is_given_twice() => ForAll(cluster =>
    {
        var book = cluster.Settled().Addresses;
        var all = book.Nodes.Values.Concat(book.Peers.Values).SelectMany(addresses => addresses).ToList();
        return all.Count == all.Distinct().Count();
    });

    [Fact]
    public void Keeping_the_addresses_changes_nothing() => ForAll(cluster =>
        cluster.Settled().Addresses.Equals(cluster.Settled().Settled().Addresses));

    [Fact]
    public void A_refused_peer_affects_nobody_else() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        var refused = plan.Outcomes.Where(outcome => outcome.Admission == PeerAdmission.Refused
            && outcome.Kind == PeerKind.External).Select(outcome => outcome.Name).ToHashSet();
        var without = (cluster with { Peers = [.. cluster.Peers.Where(peer => !refused.Contains(peer.Name))] }).Plan();
        return plan.Peers.SequenceEqual(without.Peers)
            && plan.Outcomes.Where(IsServed).SequenceEqual(without.Outcomes.Where(IsServed));

        static bool IsServed(PeerOutcome outcome) => outcome.Admission != PeerAdmission.Refused;
    });

    [Fact]
    public void A_delta_on_an_old_config_gives_the_new_one() => Holds(Prop.ForAll(ClusterGen.ToArbitrary(), ClusterGen.ToArbitrary(),
        (before, after) =>
    {
        var old = before.Plan();
        var current = after.Plan(old);
        return before.Nodes.Select(node => node.Name).Intersect(after.Nodes.Select(node => node.Name)).All(node =>
        {
            var config = old.ForNode(node, 1)!;
            if (current.DeltaFrom(old, 1, node, 2) is { } delta)
            {
                var peers = config.Peers.ToDictionary(peer => peer.Name);
                foreach (var name in delta.Removed)
                    peers.Remove(name);
                foreach (var peer in delta.Upserts)
                    peers[peer.Name] = peer;
                var settings = delta.Settings ?? config.Settings;
                config = new NodeConfig { Settings = settings };
                config.Peers.AddRange(peers.Values.OrderBy(peer => peer.Name, StringComparer.Ordinal));
            }

            config.Revision = 2;
            return config.Equals(current.ForNode(node, 2));
        });
    }));

    [Fact]
    public void The_fewest_prefixes_cover_the_same_addresses() => Holds(Prop.ForAll(
        Gen.ListOf(
            from address in Gen.Choose(0, 255)
            from length in Gen.Choose(24, 32)
            select Prefix.Create((UInt128)(0x0A000000 + address), length, false)).ToArbitrary(),
        prefixes =>
        {
            var minimal = Prefixes.Minimize(prefixes);
            bool Covered(IEnumerable<Prefix> set, int address) => set.Any(prefix => prefix.Contains((UInt128)(0x0A000000 + address)));
            return Enumerable.Range(0, 256).All(address => Covered(prefixes, address) == Covered(minimal, address))
                && minimal.All(prefix => minimal.Count(other => other.Overlaps(prefix)) == 1)
                && Prefixes.Minimize(minimal).SequenceEqual(minimal)
                && minimal.Zip(minimal.Skip(1)).All(pair => pair.First.Length != pair.Second.Length || pair.First.Length == 0
                    || Prefix.Create(pair.First.Address, pair.First.Length - 1, false) != Prefix.Create(pair.Second.Address,
                        pair.Second.Length - 1, false));
        }));

    private static string Text(MeshPlan plan) => string.Join('\n',
        plan.Peers.Select(peer => Convert.ToHexString(peer.ToByteArray()))
            .Concat(plan.Nodes.Keys.Select(node => Convert.ToHexString(plan.ForNode(node, 1)!.ToByteArray())))
            .Concat(plan.Outcomes.Select(outcome =>
                $"{outcome.Name} {outcome.Kind} {outcome.Admission} {string.Join(',', outcome.Messages)}"))
            .Concat(plan.Conflicts));
}
