using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using WgMesh.NodeAgent.Cni;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Cni;

/// <summary>The pod network of a node with the CNI reference plugins, as Debian's package containernetworking-plugins has them.</summary>
[Trait("needs", "system")]
public sealed class PodNetworkSystemTests : IDisposable
{
    private const string DebiansPlugins = "/usr/lib/cni";

    private readonly NetNamespace _node = new();
    private readonly NetNamespace _pod = new();
    private readonly TemporaryFolder _folder = new();
    private readonly PodNetworkOptions _options;
    private readonly PodNetwork _network;
    private readonly CniRuntime _runtime;

    public PodNetworkSystemTests()
    {
        _options = Pods.FoldersIn(_folder, DebiansPlugins) with { Masquerade = true };
        _network = new PodNetwork(_options);
        _runtime = new CniRuntime(_node, Path.Combine(_options.ConfFolder!, ConfFolder.FileName), _options.BinFolder);
    }

    private string Store => Path.Combine(_options.StoreFolder, "wgmesh");

    public void Dispose()
    {
        _pod.Dispose();
        _node.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("10.244.1.0/24")]
    [InlineData("fd00:244:1::/64")]
    [InlineData("10.244.1.0/24", "fd00:244:1::/64")]
    public void A_pod_has_an_address_and_a_way_out_in_each_family_and_the_MTU_of_the_mesh(params string[] podCidrs)
    {
        var desired = Pods.Of(podCidrs);
        Apply(desired);
        Assert.True(_network.IsReady);
        var result = _runtime.Add(_pod);

        var addresses = result["ips"]!.AsArray().Select(ip => ip!["address"]!.GetValue<string>().Split('/')[0]).ToList();
        Assert.Equal(podCidrs.Length, addresses.Count);
        Assert.All(podCidrs.Zip(addresses), pair => Assert.True(Pods.P(pair.First).Overlaps(Pods.P(pair.Second))));
        Assert.Contains("mtu 1380", _pod.Ip("link show dev eth0"), StringComparison.Ordinal);
        foreach (var (cidr, address) in podCidrs.Zip(addresses))
        {
            var family = cidr.Contains(':', StringComparison.Ordinal) ? "-6" : "-4";
            Assert.Contains(address, _pod.Ip($"{family} addr show dev eth0"), StringComparison.Ordinal);
            Assert.StartsWith("default via ", _pod.Ip($"{family} route show default"), StringComparison.Ordinal);
            // until the first answer; the host's IPv6 address is not usable at once
            _pod.Exec("ping", "-c", "1", "-w", "60", _pod.Ip($"{family} route show default").Split(' ')[2]);
        }

        // what the runtime learns of DNS of it is nothing
        Assert.DoesNotContain("nameservers", result.ToJsonString(), StringComparison.Ordinal);

        _runtime.Delete(_pod);
        Assert.DoesNotContain("veth", _node.Ip("link"), StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.GetFiles(Store), file => IPAddress.TryParse(Path.GetFileName(file), out _));
    }

    [Fact]
    public void No_pod_is_connected_while_the_gate_is_closed()
    {
        Apply(Pods.Dual);
        // as a reboot does
        Directory.Delete(_options.RunFolder, recursive: true);
        var refusal = Assert.Throws<InvalidOperationException>(() => _runtime.Add(_pod));
        Assert.Contains("run/data-path-is-up: no such file", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("veth", _node.Ip("link"), StringComparison.Ordinal);

        // by another agent, to which all the rest is right as it is
        Assert.Empty(_node.Run(() => new PodNetwork(_options).Apply(Pods.Dual)));
        _runtime.Add(_pod);
    }

    [Fact]
    public async Task A_port_of_the_host_leads_to_the_pod()
    {
        using var outside = new NetNamespace();
        NetNamespace.Connect(_node, outside);
        _node.Ip("addr add 192.0.2.1/24 dev eth0");
        outside.Ip("addr add 192.0.2.2/24 dev eth0");
        Apply(Pods.Dual);
        _runtime.Add(_pod, [new JsonObject { ["hostPort"] = 8080, ["containerPort"] = 80, ["protocol"] = "tcp" }]);

        using var listener = _pod.Run(() =>
        {
            var socket = new TcpListener(IPAddress.Any, 80);
            socket.Start();
            return socket;
        });
        using var client = outside.Run(() => new TcpClient(AddressFamily.InterNetwork));
        await client.ConnectAsync(IPAddress.Parse("192.0.2.1"), 8080).WaitAsync(TimeSpan.FromSeconds(60));
        using var served = await listener.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(60));
        _runtime.Delete(_pod);
    }

    /// <summary>Plugins of specification 1.1 answer; neither ptp nor host-local or portmap (1.9.1) does anything for it.</summary>
    [Fact]
    public void Status_and_garbage_collection_are_answered_by_plugins_that_know_them()
    {
        Apply(Pods.Dual);
        var knows = _runtime.CallFirst("VERSION", "1.0.0").Contains("\"1.1.0\"", StringComparison.Ordinal);
        foreach (var command in new[] { "STATUS", "GC" })
        {
            if (knows)
            {
                _runtime.CallFirst(command, "1.1.0");
            }
            else
            {
                var refusal = Assert.Throws<InvalidOperationException>(() => _runtime.CallFirst(command, "1.1.0"));
                Assert.Contains($"unknown CNI_COMMAND: {command}", refusal.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Removing_cuts_the_pods_off_takes_away_all_of_ours_and_nothing_else()
    {
        Write(_options.ConfFolder!, "20-x.conflist");
        Write(_options.BinFolder, "bridge");
        Directory.CreateDirectory(Path.Combine(_options.StoreFolder, "theirs"));
        var before = Everything();

        Apply(Pods.Dual);
        _runtime.Add(_pod);
        using var other = new NetNamespace();
        _runtime.Add(other);
        // another's pod, with an address of its own
        _node.Ip("link add theirs type veth peer name peer");
        _node.Ip("link set theirs up");
        _node.Ip("route add 10.244.1.200/32 dev theirs");

        Assert.Empty(_node.Run(_network.Remove));
        Assert.False(_network.IsReady);
        Assert.Equal(before, Everything());
        Assert.DoesNotContain("eth0", _pod.Ip("link") + other.Ip("link"), StringComparison.Ordinal);
        Assert.Equal(["lo", "peer@theirs", "theirs@peer"], Links());
        Assert.DoesNotContain("wgmesh", _node.Exec("nft", "list", "ruleset"), StringComparison.Ordinal);

        Assert.Empty(_node.Run(_network.Remove));
        Assert.Empty(_node.Run(() => new PodNetwork(_options).Remove()));
        Assert.Equal(before, Everything());

        string[] Everything() => [.. new[] { _options.ConfFolder!, _options.BinFolder, _options.StoreFolder }
            .SelectMany(folder => Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories)).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task A_pod_that_is_just_being_connected_is_cut_off_too()
    {
        Apply(Pods.Dual);
        // where a plugin stands between its two steps: the address is given, the interface is not there yet
        Directory.CreateDirectory(Store);
        Write(Store, "10.244.1.9");
        var patient = new PodNetwork(_options, joining: TimeSpan.FromMinutes(1));
        var removing = Task.Run(() => _node.Run(patient.Remove));
        await Wait.Until(() => !File.Exists(Path.Combine(_options.RunFolder, "data-path-is-up")));
        _node.Ip("link add late type veth peer name peer");
        _node.Ip("link set late up");
        _node.Ip("route add 10.244.1.9/32 dev late");

        Assert.Empty(await removing);
        Assert.Equal(["lo"], Links());
    }

    /// <summary>As if somebody had deleted host-local's folder.</summary>
    [Fact]
    public void A_pod_that_the_store_has_lost_is_cut_off_too_and_another_networks_is_not()
    {
        Apply(Pods.Dual);
        _runtime.Add(_pod);
        using var other = new NetNamespace();
        var address = _runtime.Add(other)["ips"]![0]!["address"]!.GetValue<string>().Split('/')[0];
        Directory.Delete(Store, recursive: true);
        // what another network gave, by the same plugins
        Write(Directory.CreateDirectory(Path.Combine(_options.StoreFolder, "theirs")).FullName, address);

        Assert.Empty(_node.Run(_network.Remove));
        Assert.DoesNotContain("eth0", _pod.Ip("link"), StringComparison.Ordinal);
        Assert.Contains("eth0", other.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pod_that_was_connected_by_the_configuration_before_ours_is_left()
    {
        Apply(Pods.Dual);
        _runtime.Add(_pod);
        Directory.Delete(Store, recursive: true);
        Write(_options.ConfFolder!, "05-x.conflist");
        Assert.Empty(_node.Run(_network.Remove));
        Assert.Contains("eth0", _pod.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interface_that_no_plugin_made_is_left_whatever_leads_into_it()
    {
        Directory.CreateDirectory(Store);
        Write(Store, "10.244.1.9");
        Write(Store, "fd00:244:1::9");
        Write(Store, "last_reserved_ip.0");
        Assert.All(Directory.GetFiles(Store), file => File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-1)));
        _node.Ip("link add theirs type bridge");
        _node.Ip("link set theirs up");
        _node.Ip("route add 10.244.1.9/32 dev theirs");
        Assert.Empty(_node.Run(_network.Remove));
        Assert.Contains("theirs", Links());
        Assert.False(Directory.Exists(Store));
    }

    [Fact]
    public void Masquerading_that_is_not_wanted_any_more_is_taken_away()
    {
        Apply(Pods.Dual);
        Assert.Contains("table inet wgmesh", _node.Exec("nft", "list", "ruleset"), StringComparison.Ordinal);
        // by the agent that was started without the flag
        Assert.Empty(_node.Run(() => new PodNetwork(_options with { Masquerade = false }).Apply(Pods.Dual)));
        Assert.Equal("", _node.Exec("nft", "list", "ruleset"));
    }

    [Fact]
    public void A_folder_that_is_read_only_or_full_is_a_fault_that_says_what_to_do_until_it_is_not()
    {
        NetNamespace.Command("mount", "-t", "tmpfs", "-o", "size=16k", "wgt", _options.ConfFolder!);
        try
        {
            var path = Path.Combine(_options.ConfFolder!, "10-wgmesh.conflist");
            var ballast = Path.Combine(_options.ConfFolder!, "ballast");
            NetNamespace.Command("mount", "-o", "remount,ro", _options.ConfFolder!);
            Assert.Equal([$"cni: {path} cannot be changed, for {_options.ConfFolder} is read-only: mount it read-write"], Faults());
            Assert.False(_network.IsReady);

            NetNamespace.Command("mount", "-o", "remount,rw", _options.ConfFolder!);
            File.WriteAllBytes(ballast, new byte[16384]);
            Assert.Equal([$"cni: {path} cannot be written, for the disk is full: make room on it"], Faults());
            Assert.Equal([ballast], Directory.GetFiles(_options.ConfFolder!));

            File.Delete(ballast);
            Assert.Empty(Faults());
            Assert.True(_network.IsReady);
        }
        finally
        {
            NetNamespace.Command("umount", _options.ConfFolder!);
        }

        IReadOnlyList<string> Faults() => _node.Run(() => _network.Apply(Pods.Dual));
    }

    private void Apply(PodNetworkState desired) => Assert.Empty(_node.Run(() => _network.Apply(desired)));

    private string[] Links() => [.. _node.Ip("-o link").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(": ")[1]).Order(StringComparer.Ordinal)];

    private static void Write(string folder, string name) => File.WriteAllText(Path.Combine(folder, name), "");
}
