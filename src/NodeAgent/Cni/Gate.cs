using System.Text;
using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Cni;

/// <summary>
/// A file that says that the host is closed: what is for the mesh leaves it encrypted or not at all. host-local reads it as a resolv.conf
/// and gives no address without it. It does not outlive a reboot, the network configuration does: so until the agent has
/// closed the host anew, no pod is started.
/// </summary>
internal static class Gate
{
    private const string FileName = "data-path-is-up";

    // a resolv.conf without servers: what host-local reads becomes part of its answer to the runtime
    private static readonly byte[] Content = Encoding.UTF8.GetBytes(
        """
        # Made by wgmesh-agent when it has closed this host: packets for the mesh leave it encrypted or not at all.
        # The CNI plugin host-local reads this file as a resolv.conf (it names no server) whenever a pod is started, and refuses without it.
        # So after a reboot, which removes it, no pod is started before the agent has closed the host again.

        """);

    /// <summary>Where it is.</summary>
    internal static string PathIn(string runFolder) => Path.Combine(runFolder, FileName);

    /// <summary>Whether pods can be connected, or could until now.</summary>
    internal static bool IsOpen(string runFolder) => File.Exists(PathIn(runFolder));

    /// <summary>Opens the gate.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal static string? Open(string runFolder)
    {
        var path = PathIn(runFolder);
        return FileFault.Try(path, () =>
        {
            Directory.CreateDirectory(runFolder, PrivateFile.FolderMode);
            if (!File.Exists(path) || !File.ReadAllBytes(path).AsSpan().SequenceEqual(Content))
            {
                PrivateFile.Replace(path, Content);
            }
        });
    }

    /// <summary>Closes it: no pod is connected any more.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal static string? Close(string runFolder)
    {
        var path = PathIn(runFolder);
        return Directory.Exists(runFolder) ? FileFault.Try(path, () => File.Delete(path)) : null;
    }
}
