using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.Host;
using WgMesh.NodeAgent.Sync;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>The userspace device, this host, and its pods.</summary>
internal sealed class NodeDataPlane : IDataPlane, IDisposable
{
    private readonly string _node;
    private readonly WireGuardDevice _device;
    private readonly RouteNetlink _netlink;
    private readonly HostNetwork _host;
    private readonly PodNetworkOptions _podOptions;
    private readonly PodNetwork _pods;
    private readonly HeardEndpoints _heard;
    private int _mtu; // of the interface, as the host's part was last applied
    private volatile bool _isGone;

    private NodeDataPlane(string node, WireGuardDevice device, RouteNetlink netlink, PodNetworkOptions pods)
    {
        _node = node;
        _device = device;
        _netlink = netlink;
        _host = new HostNetwork(netlink);
        _podOptions = pods;
        _pods = new PodNetwork(pods);
        _heard = new HeardEndpoints(pods.RunFolder);
    }

    public bool IsGone => _isGone;

    public bool? PodsReady => _podOptions.ConfFolder is null ? null : _pods.IsReady;

    /// <summary>
    /// Makes the interface, without addresses and down; or takes up the one that an earlier agent left, as it is, with addresses and
    /// routes.
    /// </summary>
    /// <param name="node">Name of this node.</param>
    /// <param name="options">Of the device.</param>
    /// <param name="pods">Of the pods' network.</param>
    /// <exception cref="AgentException">It cannot be had; says why.</exception>
    internal static NodeDataPlane Open(string node, DeviceOptions options, PodNetworkOptions pods)
    {
        RouteNetlink? netlink = null;
        try
        {
            netlink = RouteNetlink.Open();
            return new NodeDataPlane(node, WireGuardDevice.Open(options), netlink, pods);
        }
        catch (LinuxException e)
        {
            netlink?.Dispose();
            throw new AgentException($"The interface {options.Name} cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Completes when the interface was deleted by somebody else.</summary>
    internal async Task DeletedAsync()
    {
        await _device.Ended;
        if (_isGone)
        {
            await Task.Delay(Timeout.Infinite);
        }
    }

    public DeviceSnapshot Snapshot() => _device.Snapshot();

    public DeviceError? ApplyDevice(DeviceUpdate update)
    {
        try
        {
            return _device.Apply(_heard.Complete(update));
        }
        catch (ObjectDisposedException)
        {
            return new DeviceError(DeviceError.InputOutput, "The node was released: there is no device any more.");
        }
    }

    public IReadOnlyList<string> ApplyHost(DesiredState desired)
    {
        var underlay = desired.Config.Mtu is null
            ? UnderlayMtu.Find(_netlink, _device.Name, desired.Peers.Select(p => p.Endpoint).OfType<Endpoint>())
            : null;
        var host = HostMapping.From(desired, _device.Name, underlay);
        var faults = _host.Apply(host);
        _mtu = host.Mtu;
        // Closed: interface, addresses and routes outlive the agent, and what is routed there is dropped. Open: they go with it, and what
        // is for the mesh takes the network below.
        _device.KeepInterface(desired.Config.Closed);
        KeepEndpoints();
        return [.. faults.Select(fault => $"host: {fault}")];
    }

    public IReadOnlyList<string> ApplyPods(DesiredState desired)
    {
        // the MTU that was set, not the device's, which follows a moment later
        var faults = _pods.Apply(PodNetworkMapping.From(desired, _device.Name, _mtu));
        return _podOptions.ConfFolder is null || !desired.Config.PodCidrs.IsEmpty
            ? faults
            :
            [
                .. faults,
                $"cni: node {_node} has no pod CIDR, so no pod can be started on it: have the controller manager give it one "
                    + "(--allocate-node-cidrs with --cluster-cidr), or set spec.podCIDRs of the Node.",
            ];
    }

    public IReadOnlyList<string> Release()
    {
        // the pods first: one that is cut off sends nothing, whatever opens next; if one is not, nothing opens
        var faults = _pods.Remove();
        if (faults.Count > 0)
        {
            return faults;
        }

        _isGone = true;
        HeardEndpoints.Delete(_podOptions.RunFolder);
        faults = _host.Reset(_device.Name);
        _device.Dispose();
        return [.. faults.Select(fault => $"host: {fault}")];
    }

    /// <summary>Ends the device. In a closed mesh interface, routes and blackholes stay, so that it is closed while no agent runs.</summary>
    public void Dispose()
    {
        if (!_isGone)
        {
            KeepEndpoints();
        }

        _device.Dispose();
        _netlink.Dispose();
    }

    private void KeepEndpoints()
    {
        using var snapshot = _device.Snapshot();
        _heard.Keep(snapshot);
    }
}
