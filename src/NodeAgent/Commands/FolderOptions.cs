using System.CommandLine;
using System.Text;
using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.Handover;

namespace WgMesh.NodeAgent.Commands;

/// <summary>The options that name folders. What <c>run</c> was given, <c>cleanup</c> is to be given.</summary>
internal static class FolderOptions
{
    // sun_path of unix(7) has room for 108 bytes with a zero at the end
    private const int LongestSocketPath = 107;

    private static readonly PodNetworkOptions PodDefaults = new();

    internal static Option<string> State() => Folder(
        "--state-dir", "Folder for the private key and the last good configuration.", "/var/lib/wgmesh/agent");

    internal static Option<string> Run()
    {
        var option = Folder(
            "--run-dir",
            "Folder that does not outlive a reboot, for the lock and the socket by which one agent takes over from another, and for the sign that "
            + "the data path is up. Agents of one node share it, those of different nodes do not.",
            PodDefaults.RunFolder);
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && Encoding.UTF8.GetByteCount(Path.Combine(token.Value, Tenure.SocketName)) > LongestSocketPath)
            {
                result.AddError($"--run-dir: '{token.Value}' is too long: with the name of a socket in it a path has {LongestSocketPath} bytes at most.");
            }
        });
        return option;
    }

    internal static Option<string?> Pod() => Folder<string?>(
        "--pod-dir",
        "Folder that lives as long as the agent's pod, to keep in it when that was first started: of two agents of a node the newer one has the "
        + "tunnels, and a restart makes no agent newer. Default: every start is a first one.",
        otherwise: null,
        example: "/var/lib/wgmesh/pod");

    internal static Option<string?> CniConf(string description, string? otherwise) => Folder(
        "--cni-conf-dir", description, otherwise, example: "/etc/cni/net.d");

    internal static Option<string> CniBin() => Folder(
        "--cni-bin-dir", "Folder in which the container runtime looks for CNI plugins; those that are lacking are installed there.", PodDefaults.BinFolder);

    internal static Option<string> CniPlugins() => Folder(
        "--cni-plugins", "Folder with the CNI plugins to install; if there is none, none is installed.", PodDefaults.PluginFolder);

    internal static Option<string> CniStore() => Folder(
        "--cni-store-dir", "Folder in which the CNI plugin host-local keeps the addresses that it has given, a folder per network.", PodDefaults.StoreFolder);

    private static Option<T> Folder<T>(string name, string description, T otherwise, string? example = null)
        where T : class?
    {
        var option = new Option<T>(name) { Description = description, HelpName = "DIR", DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => !Path.IsPathRooted(token.Value)))
            {
                result.AddError($"{name}: '{token.Value}' is not an absolute path, such as {(object?)example ?? otherwise}.");
            }
        });
        return option;
    }
}
