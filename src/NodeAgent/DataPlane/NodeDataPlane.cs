using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.NodeAgent.Host;
using WgMesh.NodeAgent.Sync;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>The userspace device and this host.</summary>
internal sealed class NodeDataPlane : IDataPlane, IDisposable
{
    private readonly WireGuardDevice _device;
    private readonly RouteNetlink _netlink;
    private readonly HostNetwork _host;

    private NodeDataPlane(WireGuardDevice device, RouteNetlink netlink)
    {
        _device = device;
        _netlink = netlink;
        _host = new HostNetwork(netlink);
    }

    /// <summary>Completes when the interface was deleted by somebody.</summary>
    internal Task Ended => _device.Ended;

    /// <summary>Makes the interface, without addresses and down.</summary>
    /// <exception cref="AgentException">It cannot be had; says why.</exception>
    internal static NodeDataPlane Open(DeviceOptions options)
    {
        RouteNetlink? netlink = null;
        try
        {
            netlink = RouteNetlink.Open();
            return new NodeDataPlane(WireGuardDevice.Open(options), netlink);
        }
        catch (LinuxException e)
        {
            netlink?.Dispose();
            throw new AgentException($"The interface {options.Name} cannot be made: {e.Message}", e);
        }
    }

    public DeviceSnapshot Snapshot() => _device.Snapshot();

    public DeviceError? ApplyDevice(DeviceUpdate update) => _device.Apply(update);

    public IReadOnlyList<string> ApplyHost(DesiredState desired)
    {
        var underlay = desired.Config.Mtu is null
            ? UnderlayMtu.Find(_netlink, _device.Name, desired.Peers.Select(p => p.Endpoint).OfType<Endpoint>())
            : null;
        return _host.Apply(HostMapping.From(desired, _device.Name, underlay));
    }

    /// <summary>Ends the device. Blackholes stay, so that a closed mesh is closed while no agent runs.</summary>
    public void Dispose()
    {
        _device.Dispose();
        _netlink.Dispose();
    }
}
