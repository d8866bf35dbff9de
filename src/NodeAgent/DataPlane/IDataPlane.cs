using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>What carries the packets, as seen from what configures it: the engine's device, the host's network, and the pods'.</summary>
internal interface IDataPlane
{
    /// <summary>Whether pods can be started; null: that is somebody else's.</summary>
    bool? PodsReady { get; }

    /// <summary>Whether the device is gone for good, for a release went past it: it can only be completed.</summary>
    bool IsGone { get; }

    /// <summary>Configuration and statistics of the device.</summary>
    DeviceSnapshot Snapshot();

    /// <summary>Changes the device, wholly or not at all.</summary>
    /// <returns>Null, or why nothing was changed.</returns>
    DeviceError? ApplyDevice(DeviceUpdate update);

    /// <summary>Makes link, addresses, routes and blackholes what they are to be.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    IReadOnlyList<string> ApplyHost(DesiredState desired);

    /// <summary>Makes the network of the node's pods what it is to be. Only where device and host are as desired: pods are started by it.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    IReadOnlyList<string> ApplyPods(DesiredState desired);

    /// <summary>Takes everything of the mesh off the node; may be repeated until it is done, and given up as long as <see cref="IsGone"/> is false.</summary>
    /// <returns>What could not be done, one sentence each; none: nothing is left.</returns>
    IReadOnlyList<string> Release();
}
