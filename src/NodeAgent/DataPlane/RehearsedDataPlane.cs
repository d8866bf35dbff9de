using WgMesh.Engine.Device;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.NodeAgent.Host;
using WgMesh.NodeAgent.Sync;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>A data plane that looks and changes nothing: what is applied to it once is compiled when it is applied in earnest.</summary>
/// <param name="name">The interface.</param>
internal sealed class RehearsedDataPlane(string name) : IDataPlane
{
    public bool? PodsReady => null;

    public bool IsGone => false;

    public DeviceSnapshot Snapshot() => new() { Name = name, ListenPort = 0, FirewallMark = 0, Mtu = 0, Peers = [] };

    public DeviceError? ApplyDevice(DeviceUpdate update) => null;

    public IReadOnlyList<string> ApplyHost(DesiredState desired)
    {
        using var netlink = RouteNetlink.Open();
        var underlay = UnderlayMtu.Find(netlink, name, desired.Peers.Select(p => p.Endpoint).OfType<Endpoint>());
        new HostNetwork(netlink).Plan(HostMapping.From(desired, name, underlay));
        return [];
    }

    public IReadOnlyList<string> ApplyPods(DesiredState desired) => [];

    public IReadOnlyList<string> Release() => [];
}
