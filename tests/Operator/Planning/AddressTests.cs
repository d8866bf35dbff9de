using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Planning;

public class AddressTests
{
    [Fact]
    public void Nodes_come_first_then_external_peers_without_allowed_ips_each_with_both_families()
    {
        var plan = Three.With(Peer("laptop", 9, 99), Peer("site", 10, 99, "192.168.1.0/24")).Plan();

        Assert.Equal(["10.90.0.3/32", "fd90:90::3/128"], plan.AddressesOf("c"));
        Assert.Equal(["10.90.0.4/32", "fd90:90::4/128"], plan.AllowedIps("laptop"));
        Assert.Equal(["10.90.0.4/32", "fd90:90::4/128"], plan.AddressesOf("laptop"));
        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("site"));
        Assert.Empty(plan.AddressesOf("site"));
    }

    [Fact]
    public void Addresses_given_before_stay_and_the_lowest_free_one_is_next()
    {
        var first = Three.With(Peer("laptop", 9)).Settled().Addresses;
        var state = (ClusterState.Empty.With(Node("c", 1), Node("older", 99), Node("oldest", 999)).With(Peer("laptop", 9))
            with { Addresses = first }).Settled();
        var later = state.Plan();

        Assert.Equal(["10.90.0.3/32", "fd90:90::3/128"], later.AddressesOf("c"));
        Assert.Equal(["10.90.0.4/32", "fd90:90::4/128"], later.AddressesOf("laptop"));
        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], later.AddressesOf("oldest"));
        Assert.Equal(["10.90.0.2/32", "fd90:90::2/128"], later.AddressesOf("older"));
        Assert.Equal(["c", "older", "oldest"], state.Addresses.Nodes.Keys); // a and b are gone, and so are their addresses
    }

    [Fact]
    public void A_shrunken_pool_takes_no_address_away_and_says_so()
    {
        var first = Three.Settled().Addresses;
        var mesh = MeshRecord.Default with { AddressPools = Cidrs("10.91.0.0/24") };
        var plan = (Three with { Addresses = first, Mesh = mesh }).Plan();

        Assert.Equal(["10.90.0.2/32", "fd90:90::2/128"], plan.AddressesOf("b"));
        Assert.Contains("Node b keeps its address 10.90.0.2/32, which lies in no address pool any more.", plan.Conflicts);
        Assert.Contains("10.90.0.2/31", plan.ForNode("a", 1)!.Settings.MeshCidrs); // b's and c's: fail-closed covers them still
    }

    [Fact]
    public void A_pool_of_a_second_family_adds_addresses_and_changes_none()
    {
        var v4 = MeshRecord.Default with { AddressPools = Cidrs("10.90.0.0/16") };
        var first = (Three with { Mesh = v4 }).Settled().Addresses;
        var plan = (Three with { Addresses = first }).Plan();

        Assert.Equal(Cidrs("10.90.0.2/32").AsEnumerable(), first.Nodes["b"]);
        Assert.Equal(["10.90.0.2/32", "fd90:90::2/128"], plan.AddressesOf("b"));
    }

    [Theory]
    [InlineData("10.90.0.0/30", "10.90.0.1/32 10.90.0.2/32")] // neither network nor broadcast
    [InlineData("10.90.0.0/31", "10.90.0.0/32 10.90.0.1/32")] // RFC 3021
    [InlineData("10.90.0.7/32", "10.90.0.7/32")]
    [InlineData("fd90::/126", "fd90::1/128 fd90::2/128 fd90::3/128")] // not the subnet-router anycast address
    [InlineData("fd90::/127", "fd90::/128 fd90::1/128")]
    [InlineData("255.255.255.254/31", "255.255.255.254/32 255.255.255.255/32")]
    [InlineData("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")] // the end of the address space
    public void A_pool_gives_every_usable_address_once_and_then_says_that_it_is_empty(string pool, string expected)
    {
        var nodes = Enumerable.Range(0, 5).Select(i => Node($"n{i}")).ToArray();
        var plan = (ClusterState.Empty.With(nodes) with { Mesh = MeshRecord.Default with { AddressPools = Cidrs(pool) } }).Plan();

        Assert.Equal(expected.Split(' '), plan.Outcomes.SelectMany(outcome => outcome.Addresses));
        var without = plan.Outcomes.First(outcome => outcome.Addresses.IsEmpty);
        Assert.Contains($"address left in {pool}", Assert.Single(without.Messages), StringComparison.Ordinal);
    }

    [Fact]
    public void Pools_are_used_up_in_their_order()
    {
        var nodes = Enumerable.Range(0, 4).Select(i => Node($"n{i}")).ToArray();
        var mesh = MeshRecord.Default with { AddressPools = Cidrs("10.9.0.0/30", "10.8.0.0/30") };
        var plan = (ClusterState.Empty.With(nodes) with { Mesh = mesh }).Plan();
        Assert.Equal(["10.9.0.1/32", "10.9.0.2/32", "10.8.0.1/32", "10.8.0.2/32"], plan.Outcomes.SelectMany(outcome => outcome.Addresses));
    }

    [Fact]
    public void No_address_is_given_from_pod_or_service_cidrs()
    {
        var mesh = MeshRecord.Default with { AddressPools = Cidrs("10.90.0.0/16"), ServiceCidrs = Cidrs("10.90.0.0/24"),
            PodCidrs = Cidrs("10.90.1.0/24") };
        var plan = (ClusterState.Empty.With(Node("a", 1, null, "10.90.2.0/24")) with { Mesh = mesh }).Plan();

        Assert.Equal(["10.90.3.0/32"], plan.AddressesOf("a"));
        Assert.Contains(plan.Conflicts, conflict => conflict.Contains("address pool 10.90.0.0/16 overlaps 10.90.0.0/24",
            StringComparison.Ordinal));
    }

    [Fact]
    public void What_people_wrote_into_a_peer_is_given_to_nobody_else_while_there_is_room()
    {
        var plan = ClusterState.Empty.With(Node("a")).With(Peer("fixed", 9, 0, "10.90.0.1/32"), Peer("laptop", 10)).Plan();

        Assert.Equal(["10.90.0.1/32"], plan.AllowedIps("fixed"));
        Assert.Contains("10.90.0.2/32", plan.AddressesOf("a"));
        Assert.Contains("10.90.0.3/32", plan.AllowedIps("laptop"));
        Assert.Equal(PeerAdmission.Accepted, plan.Outcome("fixed").Admission);
    }

    [Fact]
    public void A_peer_that_asks_for_the_whole_pool_keeps_no_node_from_getting_an_address()
    {
        var plan = Three.With(Peer("greedy", 9, 99, "10.90.0.0/16", "192.168.1.0/24"), Peer("laptop", 10)).Plan();

        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], plan.AddressesOf("a"));
        Assert.Equal(["192.168.1.0/24"], plan.AllowedIps("greedy"));
        Assert.Contains("10.90.0.4/32", plan.AllowedIps("laptop"));
    }

    [Fact]
    public void An_address_that_was_given_is_not_lost_to_an_older_peer_that_asks_for_it_later()
    {
        var first = Three.With(Peer("laptop", 9, 1)).Settled().Addresses;
        var plan = (Three.With(Peer("laptop", 9, 1), Peer("older", 10, 99, "10.90.0.4/32")) with { Addresses = first }).Plan();

        Assert.Contains("10.90.0.4/32", plan.AllowedIps("laptop"));
        Assert.Empty(plan.AllowedIps("older"));
        Assert.Equal("allowed IP 10.90.0.4/32 was given to WireGuardPeer laptop", plan.Message("older"));
    }

    [Fact]
    public void An_address_that_two_have_stays_with_the_node()
    {
        var book = AddressBook.Empty with
        {
            Nodes = AddressBook.Empty.Nodes.Add("a", Cidrs("10.90.0.9/32")),
            Peers = AddressBook.Empty.Peers.Add("laptop", Cidrs("10.90.0.9/32")),
        };
        var cluster = ClusterState.Empty.With(Node("a")).With(Peer("laptop", 9, 99)) with { Addresses = book };
        var plan = cluster.PlanAsStored();
        Assert.Contains("10.90.0.9/32", plan.AddressesOf("a"));
        Assert.Empty(plan.AllowedIps("laptop"));
        Assert.Equal(("address 10.90.0.9/32 was given twice; it gets another", PeerReason.AddressConflict),
            (plan.Message("laptop"), plan.Outcome("laptop").Reason));

        Assert.Contains("10.90.0.9/32", cluster.Plan().AddressesOf("a"));
        Assert.Contains("10.90.0.1/32", cluster.Plan().AllowedIps("laptop"));
        Assert.Equal(PeerAdmission.Accepted, cluster.Plan().Outcome("laptop").Admission);
    }

    [Fact]
    public void A_plan_uses_what_is_stored_and_gives_nothing()
    {
        var cluster = Three.With(Peer("laptop", 9));
        var plan = cluster.PlanAsStored();

        Assert.Empty(plan.AddressesOf("a"));
        Assert.Empty(plan.AllowedIps("laptop"));
        Assert.All(plan.Outcomes, outcome => Assert.Equal(PeerAdmission.Accepted, outcome.Admission)); // they get one: nobody needs to know
        Assert.Equal(["10.244.2.0/24", "fd00:244:2::/64"], plan.ForNode("a", 1)!.Peers[0].AllowedIps);
    }

    [Fact]
    public void What_is_complete_is_the_stored_book_itself()
    {
        var cluster = Three.With(Peer("laptop", 9), Peer("site", 10, 0, "192.168.1.0/24"), Peer("pin", 11) with { NodeName = "a" }).Settled();
        Assert.Same(cluster.Addresses, AddressPlanner.Give(cluster));
        Assert.Same(cluster.Addresses, AddressPlanner.Give(cluster.With(Peer("refused", 2))));

        Assert.NotSame(cluster.Addresses, AddressPlanner.Give(cluster.With(Node("d"))));
        Assert.NotSame(cluster.Addresses, AddressPlanner.Give(cluster.With(Peer("phone", 12))));
        Assert.Equal(["a", "b"], AddressPlanner.Give(cluster with { Nodes = cluster.Nodes[..2] }).Nodes.Keys);
    }

    [Fact]
    public void No_address_is_given_that_a_machine_has_on_the_underlay()
    {
        var cluster = Three.With(Node("d") with { HostAddresses = Cidrs("10.90.0.4/32", "10.90.0.5/32") });
        Assert.Equal("10.90.0.6/32", cluster.Settled().Addresses.Nodes["d"][0].ToString());
    }

    [Fact]
    public void A_peer_that_cannot_be_used_keeps_its_address()
    {
        var book = AddressBook.Empty with { Peers = AddressBook.Empty.Peers.Add("broken", Cidrs("10.90.0.1/32")) };
        var cluster = ClusterState.Empty.With(Node("a")) with { Addresses = book, Unusable = [new("broken", Day, 3, ["spec.x: no"])] };
        Assert.Equal("10.90.0.2/32", cluster.Settled().Addresses.Nodes["a"][0].ToString());
        Assert.Equal(["broken"], cluster.Settled().Addresses.Peers.Keys);
    }

    [Fact]
    public void A_refused_peer_gets_no_new_address_and_keeps_the_one_it_has()
    {
        var first = Three.With(Peer("laptop", 9, 1)).Settled().Addresses;
        var refused = Three.With(Peer("laptop", 1, 1), Peer("tablet", 1, 0), Peer("phone", 11, 0));

        Assert.Empty(refused.Plan().Outcome("tablet").Addresses);
        var settled = (refused with { Addresses = first }).Settled();
        Assert.Equal(["10.90.0.4/32", "fd90:90::4/128"], settled.Addresses.Peers["laptop"].Select(address => address.ToString()));
        Assert.Contains("10.90.0.5/32", settled.Plan().AllowedIps("phone"));
    }
}
