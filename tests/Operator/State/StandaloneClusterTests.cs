using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Crds;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Manifest;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.State;

public sealed class StandaloneClusterTests : IDisposable
{
    private readonly TemporaryFolder _files = new(), _state = new();
    private readonly ManualTime _time = new();
    private readonly Ids _log = new();

    public void Dispose()
    {
        _files.Dispose();
        _state.Dispose();
    }

    [Fact]
    public void A_restart_comes_to_the_same_plan()
    {
        Put(_files["nodes.yaml"], Node("b", "10.2.0.0/24") + Node("c", "10.3.0.0/24"));
        Put(_files["peers.yaml"], Peer("laptop", 9));
        var first = Start();
        first.Announce("c", Key(3), ["192.0.2.3:5000"], VersionSet.One);
        var before = Plan(first);

        Assert.True(before.SameAs(Plan(Start())));
        Assert.Equal("192.0.2.3:5000", before.Peers.Single(peer => peer.Name == "c").Endpoint);
    }

    [Fact]
    public void Objects_that_come_first_in_order_but_later_in_time_renumber_and_rob_nobody()
    {
        Put(_files["nodes.yaml"], Node("m", "10.2.0.0/24"));
        Put(_files["peers.yaml"], Peer("o", 9) + Peer("old", 10, "allowedIPs: [192.168.1.0/24]"));
        var before = Plan(Start());

        _time.Advance(TimeSpan.FromMinutes(1));
        Put(_files["added.yaml"], Node("a", "10.3.0.0/24") + Peer("b", 11) + Peer("c", 12, "allowedIPs: [192.168.1.0/24]"));
        var after = Plan(Start());

        Assert.Equal(before.AddressesOf("m"), after.AddressesOf("m"));
        Assert.Equal(before.AddressesOf("o"), after.AddressesOf("o"));
        Assert.Equal(["192.168.1.0/24"], after.AllowedIps("old"));
        Assert.Empty(after.AllowedIps("c"));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(after.SameAs(Plan(Start())));
    }

    [Fact]
    public void A_node_that_does_not_run_Linux_is_outside_of_the_mesh()
    {
        Put(_files["nodes.yaml"], Node("b", "10.2.0.0/24") + Node("win", "10.3.0.0/24")
            .Replace("{name: win}", "{name: win, labels: {kubernetes.io/os: windows}}", StringComparison.Ordinal));
        var plan = Plan(Start());
        Assert.Equal("b", Assert.Single(plan.Nodes).Key);
        Assert.Contains("10.3.0.0/24", plan.Settings.MeshCidrs.Texts);
    }

    [Fact]
    public void A_creation_time_in_a_manifest_counts()
    {
        Put(_files["peers.yaml"], Peer("a", 9, "allowedIPs: [192.168.1.0/24]") + Peer("z", 10, "allowedIPs: [192.168.1.0/24]")
            .Replace("{name: z}", "{name: z, creationTimestamp: \"2001-01-01T00:00:00Z\"}", StringComparison.Ordinal));
        Assert.Equal(["192.168.1.0/24"], Plan(Start()).AllowedIps("z"));
    }

    [Fact]
    public void A_deleted_node_takes_its_peer_and_its_address_with_it()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        Put(_files["b.yaml"], Node("b", "10.2.0.0/24"));
        var first = Start();
        first.Announce("a", Key(1), [], VersionSet.One);
        first.Announce("b", Key(2), [], VersionSet.One);
        Plan(first);
        Assert.True(File.Exists(_state["peers/a.yaml"]));

        File.Delete(_files["a.yaml"]);
        var second = Start();
        var plan = Plan(second);

        Assert.False(File.Exists(_state["peers/a.yaml"]));
        Assert.True(File.Exists(_state["peers/b.yaml"]));
        Assert.Equal(["b"], second.Current.Value.Announcements.Keys);
        Assert.Equal(["b"], second.Current.Value.Addresses.Nodes.Keys);
    }

    [Fact]
    public void A_nodes_peer_is_kept_as_the_object_that_a_cluster_would_have()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        var cluster = Start();
        cluster.Announce("a", Key(1), ["[2001:db8::1]:5000", "192.0.2.1:5000"], VersionSet.One);
        Plan(cluster);

        var set = ManifestReader.ReadFolder(_state["peers"]);
        var peer = Assert.Single(set.Peers);
        Assert.Empty(set.Problems);
        Assert.Equal(("a", "a", Key(1).ToString(), "2001:db8::1", 5000),
            (peer.Metadata.Name, peer.Spec.NodeName, peer.Spec.PublicKey, peer.Spec.Endpoint!.Host, peer.Spec.Endpoint.Port));
        Assert.Equal(["10.90.0.1/32", "fd90:90::1/128"], peer.Status!.Addresses);
        Assert.Equal(_time.GetUtcNow(), peer.Metadata.CreationTimestamp);
    }

    [Fact]
    public void A_node_that_changes_its_key_stays_as_old_as_it_was()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        var cluster = Start();
        cluster.Announce("a", Key(1), [], VersionSet.One);
        var since = cluster.Current.Value.Announcements["a"].Since;
        _time.Advance(TimeSpan.FromHours(1));
        cluster.Announce("a", Key(2), [], VersionSet.One);

        Assert.Equal((Key(2), since), (Start().Current.Value.Announcements["a"].PublicKey, Start().Current.Value.Announcements["a"].Since));
    }

    [Fact]
    public void What_a_node_speaks_is_kept_as_the_object_that_a_cluster_would_have()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        var cluster = Start();
        cluster.Announce("a", Key(1), [], VersionSet.Of([1u, 2u]));
        Assert.Equal([1, 2], Assert.Single(ManifestReader.ReadFolder(_state["peers"]).Peers).Spec.ProtocolVersions);
        Assert.Equal(VersionSet.Of([1u, 2u]), Start().Current.Value.Announcements["a"].Versions);

        cluster.Announce("a", Key(1), [], VersionSet.One); // an older agent came back
        Assert.Equal(VersionSet.One, Start().Current.Value.Announcements["a"].Versions);
    }

    [Fact]
    public void An_external_peer_speaks_what_its_manifest_says()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9) + Peer("phone", 10, "protocolVersions: [1, 2]"));
        Assert.Equal([VersionSet.One, VersionSet.Of([1u, 2u])], Start().Current.Value.Peers.OrderBy(peer => peer.Name).Select(peer => peer.Versions));
    }

    [Fact]
    public void Changes_of_the_meshs_settings_are_counted_as_an_api_server_does_and_over_restarts()
    {
        long Generation()
        {
            var cluster = Start();
            Plan(cluster);
            return cluster.Current.Value.Mesh.Generation;
        }

        Assert.Equal(0, Generation());
        Put(_files["mesh.yaml"], Mesh("mtu: 1400"));
        Assert.Equal(1, Generation());
        Put(_files["mesh.yaml"], "# a comment\n" + Mesh("mtu: 1400, listenPort: 51820")); // a default that is written out is no change
        Assert.Equal(1, Generation());
        Put(_files["mesh.yaml"], Mesh("mtu: 1380"));
        Assert.Equal(2, Generation());
        Put(_files["mesh.yaml"], Mesh("mtu: 1400"));
        Assert.Equal(3, Generation());
        Put(_files["mesh.yaml"], Mesh("mtu: 1400").Replace("{name: default}", "{name: default, generation: 17}", StringComparison.Ordinal));
        Assert.Equal(17, Generation()); // who says it knows
    }

    [Fact]
    public void A_preshared_key_comes_from_a_secret_of_the_manifests()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9, "presharedKeySecretRef: {name: psk}")
            + Peer("phone", 10, "presharedKeySecretRef: {name: psk, namespace: default}")
            + Peer("other", 11, "presharedKeySecretRef: {name: psk, namespace: elsewhere}")
            + Peer("bad", 12, "presharedKeySecretRef: {name: short}")
            + Secret("psk", Key(5).ToString()) + Secret("short", "c2hvcnQ="));
        var plan = Plan(Start());

        Assert.Equal(["laptop", "phone"], plan.Peers.Select(peer => peer.Name));
        Assert.All(plan.Peers, peer => Assert.Equal(Key(5).ToArray(), peer.PresharedKey.ToByteArray()));
        Assert.DoesNotContain("c2hvcnQ=", plan.Message("bad"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_internal_address_of_a_node_comes_before_its_external_one()
    {
        Put(_files["nodes.yaml"], """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"addresses": [
              {"type": "Hostname", "address": "a"},
              {"type": "ExternalIP", "address": "198.51.100.1"}, {"type": "InternalIP", "address": "192.0.2.1"}]}}
            ---
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "b"},
             "status": {"addresses": [{"type": "ExternalIP", "address": "198.51.100.2"}]}}
            """);
        Assert.Equal(["192.0.2.1", "198.51.100.2"], Start().Current.Value.Nodes.Select(node => node.Address));
    }

    [Theory]
    [InlineData("objects.json", "{ unfinished")]
    [InlineData("objects.json", """{"nodes": {"a": {"addresses": ["10.90.0.300/32"]}}}""")]
    [InlineData("objects.json", """{"nodes": {"a": {"addresses": null}}}""")]
    [InlineData("objects.json", "null")]
    [InlineData("peers/a.yaml", "kind: WireGuardPeer")]
    public void A_state_that_cannot_be_read_stops_the_start_before_anything_renumbers(string file, string text)
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        Plan(Start());
        Put(_state[file], text);

        var error = Assert.Throws<InvalidDataException>(() => Start());
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_secret_declared_with_and_without_its_namespace_is_told_and_the_first_counts()
    {
        Put(_files["1.yaml"], Peer("laptop", 9, "presharedKeySecretRef: {name: psk}") + Secret("psk", Key(5).ToString()));
        Put(_files["2.yaml"], Secret("psk", Key(6).ToString()).Replace("{name: psk}", "{name: psk, namespace: default}", StringComparison.Ordinal));
        var cluster = Start();

        Assert.Contains("Secret/default/psk", Assert.Single(cluster.Current.Value.Problems), StringComparison.Ordinal);
        Assert.Equal(Key(5).ToArray(), Plan(cluster).Peers.Single().PresharedKey.ToByteArray());
    }

    [Fact]
    public void A_kept_endpoint_that_does_not_hold_costs_the_endpoint_and_not_the_start()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        var before = Start();
        before.Announce("a", Key(1), ["192.0.2.1:5000"], VersionSet.One);
        Plan(before);
        Put(_state["peers/a.yaml"], File.ReadAllText(_state["peers/a.yaml"]).Replace("192.0.2.1", "fe80::1%2", StringComparison.Ordinal));

        var after = Start().Current.Value.Announcements["a"];
        Assert.Equal(Key(1), after.PublicKey);
        Assert.Equal(before.Current.Value.Announcements["a"].Since, after.Since);
        Assert.Empty(after.Endpoints);
    }

    [Fact]
    public void An_address_of_a_node_that_is_none_is_told_and_not_used()
    {
        Put(_files["nodes.yaml"], """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"addresses": [
              {"type": "InternalIP", "address": "10.1"}, {"type": "InternalIP", "address": "192.0.2.1"}]}}
            """);
        var state = Start().Current.Value;

        Assert.Equal("192.0.2.1", state.Nodes.Single().Address);
        Assert.Contains("Node/a: status.addresses", Assert.Single(state.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_the_manifests_say_every_host_of_a_plan_is_a_plain_address_or_a_name()
    {
        string[] parts = ["0x7f", "0x", "10", "0", "1", "017", "256", "fe80", "a", "example", "2130706433", ".", ".", ".", "::", ":", "%2", "[", "]", "-"];
        var random = new Random(20261121);
        var texts = Enumerable.Range(0, 2000).Select(_ => string.Concat(random.GetItems(parts, random.Next(1, 6)))).Append("0x7f").ToList();
        Put(_files["nodes.yaml"], string.Concat(texts.Take(300).Select((text, i) => Node($"n{i}", $"10.{i / 250}.{i % 250}.0/24", $"\"{text}\""))));
        Put(_files["peers.yaml"], string.Concat(texts.Select((text, i) => Peer($"p{i}", i + 1000, $"endpoint: {{host: \"{text}\", port: 1}}"))));
        var cluster = Start();
        for (var i = 0; i < 300; i++)
            cluster.Announce($"n{i}", Key(i + 1), [], VersionSet.One);

        var hosts = Plan(cluster).Peers.Where(peer => peer.Endpoint.Length > 0)
            .Select(peer => peer.Endpoint[..peer.Endpoint.LastIndexOf(':')]).ToList();

        Assert.True(hosts.Count > 100, $"{hosts.Count} hosts show little");
        Assert.All(hosts, host => Assert.Matches(
            System.Net.IPAddress.TryParse(host, out _)
                ? @"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(?!$)|$)){4}$|^\[[0-9a-f:.]+\]$"
                : @"^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.(?!$)|$))+$", host));
    }

    [Fact]
    public void What_is_published_has_every_address_and_is_kept_already()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        Put(_files["peers.yaml"], Peer("laptop", 9));
        var state = Start().Current.Value;

        Assert.Same(state.Addresses, AddressPlanner.Give(state));
        Assert.Equal("10.90.0.2/32", state.Addresses.Peers["laptop"][0].ToString());
        Assert.Equal(state.Addresses, new StateFolder(_state.Path).Addresses);
    }

    [Fact]
    public void An_announcement_that_frees_a_peer_gives_it_its_address()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        Start().Announce("a", Key(1), [], VersionSet.One);
        Put(_files["peers.yaml"], Peer("phone", 1));
        var cluster = Start();
        Assert.Empty(cluster.Current.Value.Addresses.Peers); // refused: the key is the node's

        cluster.Announce("a", Key(2), [], VersionSet.One);

        Assert.Equal(["phone"], cluster.Current.Value.Addresses.Peers.Keys);
        Assert.Equal(cluster.Current.Value.Addresses, new StateFolder(_state.Path).Addresses);
    }

    [Fact]
    public void What_cannot_be_kept_at_the_start_is_not_published()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        Obstruct();
        ICluster cluster = Start();
        Assert.False(cluster.IsComplete);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_told_to_nobody_until_it_can()
    {
        Put(_files["a.yaml"], Node("a", "10.1.0.0/24"));
        var cluster = Start();
        var before = cluster.Current.Value;
        using var stop = new CancellationTokenSource();
        var running = cluster.RunAsync(stop.Token);

        Obstruct();
        Put(_files["b.yaml"], Node("b", "10.2.0.0/24"));
        await UntilAsync(() => _log.Seen.Contains(203));
        Assert.Same(before, cluster.Current.Value); // the last good state
        await RetryAsync();
        Assert.Same(before, cluster.Current.Value);
        Assert.Single(_log.Seen, 203); // told once

        Directory.Delete(_state[".objects.json.new"]);
        await UntilAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return cluster.Current.Value.Nodes.Length == 2;
        });
        Assert.Equal(["a", "b"], new StateFolder(_state.Path).Addresses.Nodes.Keys);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);

        async Task RetryAsync()
        {
            await UntilAsync(() => _time.Waits.Count > 0);
            _time.Advance(TimeSpan.FromSeconds(1));
            await UntilAsync(() => _time.Waits.Count > 0); // it waits for the next time: this one is over
        }
    }

    [Fact]
    public void Labels_and_gateways_of_manifests_count()
    {
        Put(_files["nodes.yaml"], Node("a", "10.1.0.0/24", "192.0.2.1")
            + Node("b", "10.2.0.0/24", "192.0.2.2").Replace("{name: b}", "{name: b, labels: {edge: \"yes\"}}", StringComparison.Ordinal));
        Put(_files["peers.yaml"], Peer("camera", 9, "gateways: {nodeSelector: {edge: \"yes\"}}, allowedIPs: [192.168.7.0/24, 192.0.2.0/24]"));
        var cluster = Start();
        cluster.Announce("b", Key(2), [], VersionSet.One);
        var outcome = Plan(cluster).Outcome("camera");

        Assert.Equal("b", outcome.Gateway);
        Assert.Equal(["192.168.7.0/24"], outcome.AllowedIps.AsEnumerable()); // the other covers machines
    }

    /// <summary>Puts a folder where a file is to be written.</summary>
    private void Obstruct() => Directory.CreateDirectory(_state[".objects.json.new"]);

    private static async Task UntilAsync(Func<bool> condition)
    {
        var end = Environment.TickCount64 + 60_000;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "it did not come about");
            await Task.Delay(20);
        }
    }

    private StandaloneCluster Start()
    {
        var kept = new StateFolder(_state.Path);
        return new StandaloneCluster(new ManifestFolder(_files.Path, kept.LastGoodPath, NullLogger<ManifestFolder>.Instance), kept, _time,
            _log);
    }

    private static MeshPlan Plan(StandaloneCluster cluster) => cluster.Current.Value.PlanAsStored();

    private sealed class Ids : ILogger<StandaloneCluster>
    {
        private readonly ConcurrentQueue<int> _ids = new();

        public IEnumerable<int> Seen => _ids;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _ids.Enqueue(eventId.Id);
    }
}
