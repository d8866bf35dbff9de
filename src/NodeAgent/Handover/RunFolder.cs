using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Handover;

/// <summary>The folder that the agents of a node share while it runs.</summary>
internal static class RunFolder
{
    /// <inheritdoc cref="PrivateFolder.Secure"/>
    internal static bool Secure(string folder) =>
        PrivateFolder.Secure(folder, "--run-dir", AgentLock.FileName, Tenure.SocketName, HeardEndpoints.FileName, Path.GetFileName(Gate.PathIn(folder)));
}
