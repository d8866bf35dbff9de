using System.Net;
using System.Net.Sockets;
using WgMesh.NodeAgent.Cni;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Cni;

/// <summary>
/// A node between a pod, a host outside (eth0), and a mesh of two others (wg0, here a bridge, since what the rules look at is its name).
/// </summary>
[Trait("needs", "system")]
public sealed class MasqueradeSystemTests : IDisposable
{
    private const int Port = 4000;

    private static readonly PodNetworkState Desired = Pods.Dual with
    {
        // the node's own network is within the mesh's prefixes, as one that was cut too wide
        MeshPrefixes = Pods.Dual.MeshPrefixes.AddRange(Pods.List("192.0.2.0/28", "2001:db8::/112")),
    };

    private readonly NetNamespace _node = new();
    private readonly NetNamespace _pod = new();
    private readonly NetNamespace _outside = new();
    private readonly NetNamespace _remote = new();
    private readonly NetNamespace _device = new();
    private readonly Masquerade _masquerade = new(new Nft());

    public MasqueradeSystemTests()
    {
        NetNamespace.Connect(_node, _outside);
        _node.Exec("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0");
        Addresses(_node, "eth0", "192.0.2.1/24", "2001:db8::1/64");
        Addresses(_outside, "eth0", "192.0.2.2/24", "192.0.2.50/24", "2001:db8::2/64", "2001:db8::1:50/64");

        Join("pod", _pod);
        Addresses(_node, "pod", "10.244.1.1/32", "fd00:244:1::1/128");
        Addresses(_pod, "eth0", "10.244.1.7/32", "fd00:244:1::7/128");
        Routes(_node, "dev pod", "10.244.1.7/32", "fd00:244:1::7/128");
        Defaults(_pod, "10.244.1.1", "fd00:244:1::1");

        _node.Ip("link add wg0 type bridge");
        _node.Ip("link set wg0 up");
        Addresses(_node, "wg0", "10.90.0.1/32", "fd90::1/128");
        Join("remote", _remote);
        Join("device", _device);
        _node.Ip("link set remote master wg0");
        _node.Ip("link set device master wg0");
        Routes(_node, "dev wg0", "10.244.2.0/24", "fd00:244:2::/64", "10.99.0.1/32", "fd00:244:99::1/128");
        Addresses(_remote, "eth0", "10.244.2.7/32", "fd00:244:2::7/128");
        Addresses(_device, "eth0", "10.99.0.1/32", "fd00:244:99::1/128");
        Defaults(_remote, "10.90.0.1", "fd90::1");
        Defaults(_device, "10.90.0.1", "fd90::1");
        // what has an address that is not of the mesh has it without a way back, too
        _outside.Ip("route add default via 192.0.2.1");
        _outside.Ip("-6 route add default via 2001:db8::1");
    }

    public void Dispose()
    {
        foreach (var space in new[] { _device, _remote, _outside, _pod, _node })
        {
            space.Dispose();
        }
    }

    [Theory]
    [InlineData("10.244.1.7", "192.0.2.50", "192.0.2.1")]
    [InlineData("fd00:244:1::7", "2001:db8::1:50", "2001:db8::1")]
    public void A_pod_reaches_what_is_not_of_the_mesh_under_the_nodes_address(string pod, string outside, string seen)
    {
        Assert.Equal(pod, Seen(_pod, pod, _outside, outside));
        Apply(Desired);
        Assert.Equal(seen, Seen(_pod, pod, _outside, outside));
    }

    [Theory]
    [InlineData("10.244.1.7", "10.244.2.7")]
    [InlineData("fd00:244:1::7", "fd00:244:2::7")]
    public void Pods_of_the_mesh_see_each_others_addresses(string pod, string remote)
    {
        Apply(Desired);
        Assert.Equal(pod, Seen(_pod, pod, _remote, remote));
        Assert.Equal(remote, Seen(_remote, remote, _pod, pod));
    }

    [Theory]
    [InlineData("10.90.0.1", "10.244.2.7", "10.90.0.1")]
    [InlineData("fd90::1", "fd00:244:2::7", "fd90::1")]
    [InlineData("192.0.2.1", "10.244.2.7", "10.90.0.1")]
    [InlineData("2001:db8::1", "fd00:244:2::7", "fd90::1")]
    public void The_host_itself_is_in_the_mesh_under_its_address_there_whatever_address_a_process_took(string own, string remote, string seen)
    {
        Assert.Equal(own, Seen(_node, own, _remote, remote));
        Apply(Desired);
        Assert.Equal(seen, Seen(_node, own, _remote, remote));
    }

    /// <summary>Peers drop it then, as nothing that they expect of this node.</summary>
    [Theory]
    [InlineData("192.0.2.50", "10.244.2.7")]
    [InlineData("2001:db8::1:50", "fd00:244:2::7")]
    public void A_neighbour_that_takes_the_node_for_a_router_is_not_let_into_the_mesh_as_the_node(string neighbour, string remote)
    {
        Apply(Desired);
        Assert.Equal(neighbour, Seen(_outside, neighbour, _remote, remote));
    }

    [Theory]
    [InlineData("ip", "192.0.2.50", "192.0.2.1", "10.244.2.7", "10.90.0.1")]
    [InlineData("ip6", "2001:db8::1:50", "2001:db8::1", "fd00:244:2::7", "fd90::1")]
    public void What_a_neighbour_sends_to_a_port_of_the_node_that_leads_to_a_remote_pod_is_in_the_mesh_under_the_nodes_address(
        string family, string neighbour, string node, string remote, string seen)
    {
        Apply(Desired);
        // as kube-proxy does for Services of type NodePort
        Nft("add", "table", family, "proxy");
        Nft("add", "chain", family, "proxy", "services", "{ type nat hook prerouting priority -100; }");
        Nft("add", "rule", family, "proxy", "services", family, "daddr", node, "udp", "dport", $"{Port}", "dnat", "to", remote);
        Assert.Equal(seen, Seen(_outside, neighbour, _remote, remote, by: node));
    }

    [Theory]
    [InlineData("ip", "10.244.1.7", "10.96.0.10", "192.0.2.50", "10.244.2.7")]
    [InlineData("ip6", "fd00:244:1::7", "fd00:96::10", "2001:db8::1:50", "fd00:244:2::7")]
    public void What_a_pod_sends_to_a_Service_never_leaves_untranslated(string family, string pod, string service, string outside, string remote)
    {
        // a network below that takes everything, as the Internet does
        _node.Ip($"{(family == "ip" ? "-4" : "-6")} route add default via {(family == "ip" ? "192.0.2.2" : "2001:db8::2")}");
        Addresses(_outside, "eth0", $"{service}/{(family == "ip" ? 32 : 128)}");
        Assert.Equal(pod, Seen(_pod, pod, _outside, service));

        Apply(Desired);
        using (var arriving = _outside.Run(() => new UdpClient(new IPEndPoint(IPAddress.Parse(service), Port))))
        {
            using var leaving = _pod.Run(() => new UdpClient(new IPEndPoint(IPAddress.Parse(pod), Port)));
            leaving.Send([1], new IPEndPoint(IPAddress.Parse(service), Port));
            // what was sent after it is there, and it is not
            Seen(_pod, pod, _outside, outside, port: Port + 1);
            Assert.Equal(0, arriving.Available);
        }

        // as kube-proxy does once it has its rules
        Nft("add", "table", family, "proxy");
        Nft("add", "chain", family, "proxy", "services", "{ type nat hook prerouting priority -100; }");
        Nft("add", "rule", family, "proxy", "services", family, "daddr", service, "dnat", "to", remote);
        Assert.Equal(pod, Seen(_pod, pod, _remote, remote, by: service, port: Port + 2));
    }

    [Theory]
    [InlineData("10.99.0.1", "10.244.2.7")]
    [InlineData("fd00:244:99::1", "fd00:244:2::7")]
    public void A_device_behind_this_node_keeps_its_address_on_the_way_through(string device, string remote)
    {
        Apply(Desired);
        Assert.Equal(device, Seen(_device, device, _remote, remote));
    }

    [Fact]
    public void A_table_that_is_right_is_left_alone_and_what_somebody_did_to_it_is_put_right()
    {
        Apply(Desired);
        var made = Table("-a");
        Apply(Desired);
        Assert.Equal(made, Table("-a"));

        Nft("flush", "chain", "inet", "wgmesh", "postrouting");
        Apply(Desired);
        Assert.Equal(Shown(made), Table());

        Nft("delete", "table", "inet", "wgmesh");
        Apply(Desired);
        Assert.Equal(Shown(made), Table());

        Apply(Desired with { Interface = "wg7" });
        Assert.Contains("oifname \"wg7\"", Table(), StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_of_others_are_never_touched()
    {
        Nft("add", "table", "inet", "theirs");
        Nft("add", "chain", "inet", "theirs", "x", "{ type filter hook input priority 0; }");
        Nft("add", "table", "ip", "wgmesh");
        var before = Nft("-a", "list", "ruleset");
        Apply(Desired);
        Assert.Null(_node.Run(_masquerade.Remove));
        Assert.Equal(before, Nft("-a", "list", "ruleset"));
        Assert.Null(_node.Run(_masquerade.Remove));
    }

    [Fact]
    public void A_mesh_may_have_thousands_of_prefixes()
    {
        var many = Enumerable.Range(0, 3000).Select(i => $"10.{100 + (i / 250)}.{i % 250}.0/24").Concat(Enumerable.Range(0, 3000).Select(i => $"fd01:{i:x}::/64"));
        var desired = Desired with { MeshPrefixes = [.. Desired.MeshPrefixes, .. Pods.List([.. many])] };
        Apply(desired);
        var made = Table("-a");
        Apply(desired);
        Assert.Equal(made, Table("-a"));
        Assert.Contains("fd01:bb7::/64", made, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_nft_there_is_a_fault_that_says_what_to_do_and_nothing_to_remove()
    {
        var masquerade = new Masquerade(new Nft("/nowhere/nft"));
        Assert.Equal(
            "masquerade: the program nft cannot be run: install the package nftables, or run without --masquerade (cni.masquerade=false)",
            masquerade.Apply(Desired));
        Assert.Null(masquerade.Remove());
        Assert.True(masquerade.IsWithoutProgram);
    }

    [Fact]
    public void A_table_that_cannot_be_taken_away_is_a_fault_and_none_at_all_is_not()
    {
        Assert.Null(_node.Run(_masquerade.Remove));
        Assert.False(_masquerade.IsWithoutProgram);

        using var folder = new TemporaryFolder();
        var program = folder.File("nft");
        File.WriteAllText(program, "#!/bin/sh\necho 'Error: Operation not permitted' >&2\nexit 1\n");
        File.SetUnixFileMode(program, (UnixFileMode)0b111_000_000);
        Assert.Equal(
            "masquerade: nft refuses the table inet wgmesh (Error: Operation not permitted): the agent needs the capability NET_ADMIN",
            new Masquerade(new Nft(program)).Remove());

        // and is tried again
        var network = new PodNetwork(new PodNetworkOptions { RunFolder = folder.File("run") }, new Nft(program));
        Assert.Single(network.Apply(Desired));
        Assert.Single(network.Apply(Desired));
        File.WriteAllText(program, "#!/bin/sh\nexit 0\n");
        Assert.Empty(network.Apply(Desired));
    }

    [Fact]
    public void What_nft_refuses_is_told_with_its_own_words()
    {
        var fault = _node.Run(() => _masquerade.Apply(Desired with { Interface = "a name that is far too long" }));
        Assert.StartsWith("masquerade: nft refuses the table inet wgmesh (", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_that_does_not_end_or_prints_without_end_is_ended()
    {
        using var folder = new TemporaryFolder();
        foreach (var behaviour in new[] { "sleep 1000", "exec yes" })
        {
            var program = folder.File("nft");
            File.WriteAllText(program, $"#!/bin/sh\n{behaviour}\n");
            File.SetUnixFileMode(program, (UnixFileMode)0b111_000_000);
            Assert.Equal("masquerade: nft -f did not end within 2 s", new Masquerade(new Nft(program, TimeSpan.FromSeconds(2))).Apply(Desired));
        }
    }

    private void Apply(PodNetworkState desired) => Assert.Null(_node.Run(() => _masquerade.Apply(desired)));

    private string Nft(params string[] arguments) => _node.Exec("nft", arguments);

    private string Table(params string[] options) => Nft([.. options, "list", "table", "inet", "wgmesh"]);

    private static string Shown(string withHandles) =>
        string.Join('\n', withHandles.Split('\n').Select(line => line.Split(" # handle")[0]));

    /// <summary>The source that a datagram has where it arrives.</summary>
    /// <param name="by">Where it is sent to, if that is not where it arrives.</param>
    private static string Seen(NetNamespace from, string source, NetNamespace to, string destination, string? by = null, int port = Port)
    {
        var (sender, receiver) = (IPAddress.Parse(source), IPAddress.Parse(destination));
        using var arriving = to.Run(() => new UdpClient(new IPEndPoint(receiver, port)));
        using var leaving = from.Run(() => new UdpClient(new IPEndPoint(sender, port)));
        arriving.Client.ReceiveTimeout = 60_000;
        leaving.Send([1], new IPEndPoint(by is null ? receiver : IPAddress.Parse(by), port));
        var seen = new IPEndPoint(IPAddress.Any, 0);
        arriving.Receive(ref seen);
        return seen.Address.ToString();
    }

    private void Join(string name, NetNamespace other)
    {
        _node.Ip($"link add {name} type veth peer name eth0 netns {other.Name}");
        _node.Ip($"link set {name} up");
        other.Ip("link set eth0 up");
    }

    private static void Addresses(NetNamespace space, string name, params string[] addresses)
    {
        foreach (var address in addresses)
        {
            space.Ip($"addr add {address} dev {name}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        }
    }

    private static void Routes(NetNamespace space, string way, params string[] destinations)
    {
        foreach (var destination in destinations)
        {
            space.Ip($"route add {destination} {way}");
        }
    }

    private static void Defaults(NetNamespace space, string ipv4, string ipv6)
    {
        space.Ip($"route add {ipv4} dev eth0");
        space.Ip($"route add default via {ipv4} dev eth0");
        space.Ip($"-6 route add {ipv6} dev eth0");
        space.Ip($"-6 route add default via {ipv6} dev eth0");
    }
}
