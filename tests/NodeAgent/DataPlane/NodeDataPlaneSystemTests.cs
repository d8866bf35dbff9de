using System.Text.Json.Nodes;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Tests.Cni;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.DataPlane;

[Trait("needs", "system")]
public sealed class NodeDataPlaneSystemTests : IDisposable
{
    private readonly NetNamespace _host = new();
    private readonly TemporaryFolder _folder = new();
    private readonly PodNetworkOptions _pods;

    public NodeDataPlaneSystemTests() => _pods = Pods.FoldersIn(_folder);

    public void Dispose()
    {
        _host.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Pods_have_the_MTU_that_the_interface_was_just_given() => _host.Run(() =>
    {
        using var dataPlane = NodeDataPlane.Open("a", new DeviceOptions { Name = "wg0" }, _pods);
        // each time another: the device follows a moment later
        for (var mtu = 1400u; mtu < 1410; mtu++)
        {
            var desired = Desired(c => c.Settings.Mtu = mtu);
            Assert.Empty(dataPlane.ApplyHost(desired));
            Assert.Empty(dataPlane.ApplyPods(desired));
            var written = JsonNode.Parse(File.ReadAllText(Path.Combine(_pods.ConfFolder!, ConfFolder.FileName)))!;
            Assert.Equal(mtu, written["plugins"]![0]!["mtu"]!.GetValue<uint>());
        }
    });

    [Fact]
    public void A_node_that_has_no_pod_CIDR_any_more_is_not_ready_for_pods() => _host.Run(() =>
    {
        using var dataPlane = NodeDataPlane.Open("a", new DeviceOptions { Name = "wg0" }, _pods);
        Apply(Desired(_ => { }));
        Assert.True(dataPlane.PodsReady);
        Assert.StartsWith("cni: node a has no pod CIDR", Assert.Single(Apply(Desired(c => c.Settings.PodCidrs.Clear()))), StringComparison.Ordinal);
        Assert.False(dataPlane.PodsReady);

        IReadOnlyList<string> Apply(DesiredState desired)
        {
            Assert.Empty(dataPlane.ApplyHost(desired));
            return dataPlane.ApplyPods(desired);
        }
    });

    private static DesiredState Desired(Action<NodeConfig> change) =>
        DesiredState.From(CheckedConfig.From(Config(1).With(change), "a", null, [1], out _)!, _ => [], []);
}
