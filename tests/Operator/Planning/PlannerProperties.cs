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

    private static readonly string[] HostAddresses = ["192.0.2.1/32", "192.168.1.7/32", "10.90.0.2/32", "10.244.1.7/32"];

    private static readonly string[] LabelTexts = ["edge=yes", "zone=1"];

    private static readonly Gen<NodeRecord> NodeGen =
        from name in Gen.Elements("a", "b", "c", "d", "e")
        from age in Gen.Choose(0, 2)
        from address in Gen.Elements<string?>("192.0.2.1", null)
        from cidrs in Gen.SubListOf(NodeCidrs)
        from hosts in Gen.SubListOf(HostAddresses)
        from labels in Gen.SubListOf(LabelTexts)
        select Node(name, age, address, [.. cidrs.Take(2)]) with { HostAddresses = Cidrs([.. hosts]), Labels = Labels([.. labels]) };

    private static readonly Gen<PeerRecord> PeerGen =
        from name in Gen.Elements("a", "laptop", "phone", "site", "tablet", "gate")
        from key in Gen.Choose(0, 9) // 0: none
        from age in Gen.Choose(0, 2)
        from claims in Gen.SubListOf(Claims)
        from count in Gen.Choose(0, 3)
        from node in Gen.Elements<string?>(null, null, null, "b", "x")
        from secret in Gen.Elements<SecretReference?>(null, null, null, new SecretReference("wgmesh", "psk", "key"))
        from gateways in Gen.SubListOf(LabelTexts)
        from generation in Gen.Choose(0, 2)
        select Peer(name, key, age, [.. claims.Take(count)]) with
        {
            NodeName = node,
            PresharedKey = secret,
            GatewaySelector = gateways.Count == 0 || node is not null ? null : Labels([.. gateways]),
            Generation = generation,
        };

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
        from outside in Gen.ListOf(NodeGen, 2)
        from peers in Gen.ListOf(PeerGen, 5)
        from announcements in Gen.ListOf(AnnouncementGen, 6)
        from pool in Gen.Elements("10.90.0.0/16", "10.90.0.0/29")
        from services in Gen.Elements("10.96.0.0/12", "172.20.0.0/16")
        from protocol in ProtocolGen
        from generation in Gen.Choose(1, 4)
        from unusable in Gen.SubListOf("broken", "wrong")
        from chosen in Gen.Elements<string?>("a", "b", null)
        let cluster = ClusterState.Empty.With([.. nodes.DistinctBy(node => node.Name)]).With([.. peers.DistinctBy(peer => peer.Name)])
        let gateways = chosen is null ? [] : peers.Select(peer => peer.Name).Distinct().Select(name => KeyValuePair.Create(name, chosen))
        select announcements.Aggregate(cluster, (state, said) => state.Announcing(said.Node, said.Key, said.Versions)) with
        {
            Mesh = MeshRecord.Default with { AddressPools = Cidrs(pool, "fd90:90::/64"), ServiceCidrs = Cidrs(services),
                PodCidrs = Cidrs("10.244.0.0/16"), Protocol = protocol, Generation = generation },
            Outside = [.. outside.DistinctBy(node => node.Name).Select(node => node with { Name = $"outside-{node.Name}" })],
            Unusable = [.. unusable.Select(name => new UnusablePeer(name, Day, 1, ["spec: is wrong"]))],
            Gateways = ClusterState.Empty.Gateways.AddRange(gateways),
        };

    private static void ForAll(Func<ClusterState, bool> rule) => Holds(Prop.ForAll(ClusterGen.ToArbitrary(), rule));

    private static void Holds(Property property) => Check.One(Properties.Config(300), property);

    [Fact]
    public void The_order_of_the_objects_does_not_matter() => ForAll(cluster =>
    {
        var reversed = cluster with { Nodes = [.. cluster.Nodes.Reverse()], Outside = [.. cluster.Outside.Reverse()], Peers = [.. cluster.Peers.Reverse()] };
        return Text(cluster.Plan()) == Text(reversed.Plan()) && cluster.Plan().SameAs(reversed.Plan());
    });

    [Fact]
    public void A_prefix_has_one_owner_and_the_clusters_prefixes_have_no_external_one() => ForAll(cluster =>
    {
        var plan = cluster.Settled().Plan();
        var all = plan.Peers.SelectMany(peer => peer.AllowedIps).ToList();
        var kept = plan.Nodes.Values.SelectMany(node => node.Addresses)
            .Select(Parsing.Prefix)
            .Concat(cluster.Nodes.Concat(cluster.Outside).SelectMany(node => node.PodCidrs))
            .Concat(cluster.Mesh.PodCidrs)
            .Concat(cluster.Mesh.ServiceCidrs)
            .Concat(cluster.Nodes.Concat(cluster.Outside).SelectMany(node => node.HostAddresses))
            .ToList();
        return all.Count == all.Distinct().Count()
            && plan.Peers.Where(peer => peer.Kind == PeerKind.External)
                .SelectMany(peer => peer.AllowedIps).Select(Parsing.Prefix)
                .All(allowed => !kept.Any(cidr => cidr.Overlaps(allowed)));
    });

    [Fact]
    public void No_node_has_a_prefix_from_two_peers_or_one_of_its_own_from_any() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Nodes.Values.All(node =>
        {
            var config = plan.ForNode(node.Node, 1)!;
            var routed = config.Peers.SelectMany(peer => peer.AllowedIps).ToList();
            return routed.Count == routed.Distinct().Count() && !routed.Intersect(config.Settings.Addresses.Concat(config.Settings.PodCidrs)).Any()
                && config.Peers.Select(peer => peer.Name).SequenceEqual(config.Peers.Select(peer => peer.Name).Distinct().Order(StringComparer.Ordinal));
        });
    });

    [Fact]
    public void Every_node_reaches_every_served_prefix_through_one_peer_its_owner_or_the_owners_gateway() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Nodes.Values.Where(node => node.IsServed).All(node =>
        {
            var peers = plan.ForNode(node.Node, 1)!.Peers;
            return plan.Outcomes.Where(outcome => outcome.IsServed && outcome.Node != node.Node).All(outcome =>
            {
                var isAdmitted = outcome.Gateway is null || outcome.GatewayNodes.Contains(node.Node);
                var through = isAdmitted ? outcome.Name : plan.Nodes[outcome.Gateway!].PeerName;
                return peers.Any(peer => peer.Name == outcome.Name) == isAdmitted
                    && outcome.AllowedIps.All(prefix => peers.Single(peer => peer.AllowedIps.Contains(prefix)).Name == through);
            })
                && peers.Sum(peer => peer.AllowedIps.Count)
                    == plan.Outcomes.Where(outcome => outcome.IsServed && outcome.Node != node.Node).Sum(outcome => outcome.AllowedIps.Length);
        });
    });

    [Fact]
    public void Whatever_plan_came_before_the_plan_says_the_same() => Holds(Prop.ForAll(
        Gen.ListOf(ClusterGen, 4).ToArbitrary(), clusters =>
        {
            // a few parts of each stay in the next, as it is in a cluster
            MeshPlan? before = null;
            var state = ClusterState.Empty;
            foreach (var cluster in clusters.SelectMany(cluster => Steps(cluster)))
            {
                state = cluster(state);
                var (fresh, next) = (state.PlanAsStored(), MeshPlanner.Plan(state, before));
                if (!next.SameAs(fresh) || !fresh.SameAs(next) || Text(next) != Text(fresh))
                    return false;
                before = next;
            }

            return true;

            static IEnumerable<Func<ClusterState, ClusterState>> Steps(ClusterState to) =>
            [
                state => state with { Nodes = to.Nodes },
                state => state with { Announcements = to.Announcements },
                state => state.Settled(),
                state => state with { Peers = to.Peers, Unusable = to.Unusable },
                state => state.Settled(),
                state => state with { Gateways = to.Gateways },
                state => state with { Mesh = to.Mesh },
                state => state,
            ];
        }));

    [Fact]
    public void What_stays_as_it_is_is_the_same_object_in_the_next_plan() => ForAll(cluster =>
    {
        var before = cluster.Plan();
        var next = cluster.Plan(before);
        return next.PeerList == before.PeerList && next.Nodes == before.Nodes && next.Settings == before.Settings
            && next.Views.All(entry => before.Views[entry.Key] == entry.Value)
            && next.Outcomes.Zip(before.Outcomes).All(pair => ReferenceEquals(pair.First, pair.Second))
            && cluster.Nodes.All(node => next.ChangeFor(before, 1, node.Name, 2) is null);
    });

    [Fact]
    public void A_public_key_and_a_name_have_one_peer() => ForAll(cluster =>
    {
        var plan = cluster.Plan();
        return plan.Peers.Length == plan.Peers.DistinctBy(peer => peer.PublicKey).Count()
            && plan.Peers.Length == plan.Peers.DistinctBy(peer => peer.Name).Count();
    });

    [Fact]
    public void Every_peer_that_is_served_has_a_key() => ForAll(cluster =>
        cluster.Plan().Peers.All(peer => peer.PublicKey.Span.ContainsAnyExcept((byte)0)));

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
        // what has no gateway for now keeps its prefixes: it is not for others to take
        var refused = plan.Outcomes.Where(outcome => outcome.Admission == PeerAdmission.Refused && outcome.Reason != PeerReason.NoGateway
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
                if (!delta.Removed.All(peers.Remove) || delta.Upserts.Any(peer => peer.Equals(peers.GetValueOrDefault(peer.Name))))
                    return false; // it says more than what changed
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

    [Fact]
    public void A_prefix_is_found_that_covers_or_lies_within() => Holds(Prop.ForAll(
        Gen.ListOf(
            from address in Gen.Choose(0, 255)
            from length in Gen.Choose(24, 32)
            from isLookup in Gen.Elements(true, false)
            select (Prefix: Prefix.Create((UInt128)(0x0A000000 + address), length, false), isLookup)).ToArbitrary(),
        steps =>
        {
            var table = new PrefixTable<string>();
            var all = new List<Prefix>();
            return steps.All(step =>
            {
                if (!step.isLookup)
                {
                    var isNew = !all.Contains(step.Prefix);
                    all.Add(step.Prefix);
                    return table.TryAdd(step.Prefix, step.Prefix.ToString()) == isNew;
                }

                var covers = all.Where(prefix => prefix.Length <= step.Prefix.Length && prefix.Overlaps(step.Prefix)).OrderByDescending(prefix => prefix.Length);
                var within = all.Where(prefix => prefix.Length > step.Prefix.Length && prefix.Overlaps(step.Prefix)).Order(PrefixOrder.Instance);
                var isFound = table.TryFindOverlap(step.Prefix, out var found, out var owner);
                return covers.Concat(within).Select(prefix => (Prefix?)prefix).FirstOrDefault() is { } expected
                    ? isFound && found == expected && owner == expected.ToString()
                    : !isFound;
            });
        }));

    private static string Text(MeshPlan plan) => string.Join('\n',
        plan.Peers.Select(peer => Convert.ToHexString(peer.ToByteArray()))
            .Concat(plan.Nodes.Keys.Select(node => Convert.ToHexString(plan.ForNode(node, 1)!.ToByteArray())))
            .Concat(plan.Outcomes.Select(outcome =>
                $"{outcome.Name} {outcome.Kind} {outcome.Generation} {outcome.Admission} {outcome.Reason} {string.Join(',', outcome.Messages)} "
                + $"{string.Join(',', outcome.AllowedIps)} {outcome.Gateway} {string.Join(',', outcome.GatewayNodes)}"))
            .Concat(plan.Conflicts));
}
