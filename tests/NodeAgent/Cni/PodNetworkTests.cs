using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class PodNetworkTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly PodNetworkOptions _options;

    public PodNetworkTests() => _options = Pods.FoldersIn(_folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_runtime_is_told_only_when_everything_that_it_needs_is_there()
    {
        var network = Network(_options);
        var ptp = Path.Combine(_options.PluginFolder, "ptp");
        File.Delete(ptp);
        Assert.StartsWith("cni: the plugin ptp ", Assert.Single(network.Apply(Pods.Dual)), StringComparison.Ordinal);
        Assert.False(network.IsReady);
        Assert.Empty(Directory.GetFiles(_options.ConfFolder!));
        Assert.False(Directory.Exists(_options.RunFolder));

        File.WriteAllText(ptp, "ptp");
        File.WriteAllText(_options.RunFolder, "in the way");
        Assert.StartsWith($"cni: {_options.RunFolder}/data-path-is-up cannot be changed: ", Assert.Single(network.Apply(Pods.Dual)), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_options.ConfFolder!));

        File.Delete(_options.RunFolder);
        Assert.Empty(network.Apply(Pods.Dual));
        Assert.True(network.IsReady);
        Assert.Single(Directory.GetFiles(_options.ConfFolder!));
    }

    [Fact]
    public void The_gate_is_a_resolv_conf_that_names_nothing()
    {
        Network(_options).Apply(Pods.Dual);
        Assert.All(File.ReadAllLines(Path.Combine(_options.RunFolder, "data-path-is-up")), line => Assert.StartsWith("# ", line, StringComparison.Ordinal));
    }

    [Fact]
    public void A_node_without_a_pod_CIDR_is_not_ready_and_keeps_what_it_had()
    {
        var network = Network(_options);
        Assert.Empty(network.Apply(Pods.Of()));
        Assert.False(network.IsReady);
        Assert.Empty(Directory.GetFiles(_options.ConfFolder!));

        network.Apply(Pods.Dual);
        Assert.Empty(network.Apply(Pods.Of()));
        Assert.False(network.IsReady);
        Assert.Single(Directory.GetFiles(_options.ConfFolder!));
    }

    [Fact]
    public void A_foreign_configuration_before_ours_keeps_the_pod_network_from_being_ready()
    {
        File.WriteAllText(Path.Combine(_options.ConfFolder!, "05-x.conflist"), "");
        var network = Network(_options);
        Assert.Single(network.Apply(Pods.Dual));
        Assert.False(network.IsReady);
        Assert.Single(network.Apply(Pods.Dual));
    }

    [Fact]
    public void With_another_pod_network_nothing_is_written_and_nothing_removed()
    {
        var before = Everything();
        var network = Network(_options with { ConfFolder = null });
        Assert.Empty(network.Apply(Pods.Of("10.244.9.0/24")));
        Assert.False(network.IsReady);
        Assert.Empty(network.Remove());
        Assert.Equal(before, Everything());
    }

    [Fact]
    public void Pods_that_the_mesh_connected_keep_the_node_from_being_released_by_an_agent_that_was_told_that_they_are_somebody_elses()
    {
        Network(_options).Apply(Pods.Dual);
        var before = Everything();
        var network = Network(_options with { ConfFolder = null });
        var fault = $"cni: {_options.RunFolder}/data-path-is-up is there: the mesh connected pods of this node, and was told since that they are somebody else's; "
            + "run `wgmesh-agent cleanup` on the node, or install with cni.mode=ptp before uninstalling";
        Assert.Equal([fault], network.Apply(Pods.Dual));
        Assert.Equal([fault], network.Remove());
        Assert.Equal(before, Everything());

        Assert.Empty(Network(_options).Remove());
        Assert.Empty(network.Apply(Pods.Dual));
        Assert.Empty(network.Remove());
    }

    [Fact]
    public void A_pod_network_that_fails_is_not_ready_any_more()
    {
        var network = Network(_options);
        network.Apply(Pods.Dual);
        Assert.True(network.IsReady);
        Assert.ThrowsAny<Exception>(() => network.Apply(Pods.Dual with { PodCidrs = default }));
        Assert.False(network.IsReady);
    }

    private string[] Everything() => Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories);

    // this machine's tables are not the test's
    private static PodNetwork Network(PodNetworkOptions options) => new(options, new Nft("/nowhere/nft"));
}
