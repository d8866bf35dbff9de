using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>What carries the packets, as seen from what configures it: the engine's device and the host's network.</summary>
internal interface IDataPlane
{
    /// <summary>Configuration and statistics of the device.</summary>
    DeviceSnapshot Snapshot();

    /// <summary>Changes the device, wholly or not at all.</summary>
    /// <returns>Null, or why nothing was changed.</returns>
    DeviceError? ApplyDevice(DeviceUpdate update);

    /// <summary>Makes link, addresses, routes and blackholes what they are to be.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    IReadOnlyList<string> ApplyHost(DesiredState desired);
}
