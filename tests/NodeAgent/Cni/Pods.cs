using System.Collections.Immutable;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

/// <summary>The pod network of a node for tests.</summary>
internal static class Pods
{
    internal static PodNetworkState Dual { get; } = new(
        List("10.244.1.0/24", "fd00:244:1::/64"),
        List("10.244.0.0/16", "10.90.0.0/16", "10.99.0.1/32", "10.244.2.0/24", "fd00:244::/32", "fd90::/64"),
        List("10.96.0.0/16", "fd00:96::/112"),
        List("10.90.0.1/32", "fd90::1/128"),
        "wg0",
        1380);

    /// <summary>Folders of a node for it, with a file in the place of each plugin unless the real ones are in <paramref name="plugins"/>.</summary>
    internal static PodNetworkOptions FoldersIn(TemporaryFolder folder, string? plugins = null)
    {
        var options = new PodNetworkOptions
        {
            ConfFolder = Directory.CreateDirectory(folder.File("net.d")).FullName,
            BinFolder = Directory.CreateDirectory(folder.File("bin")).FullName,
            PluginFolder = plugins ?? Directory.CreateDirectory(folder.File("source")).FullName,
            RunFolder = folder.File("run"),
            StoreFolder = folder.File("networks"),
        };
        foreach (var name in plugins is null ? Conflist.Plugins : [])
        {
            File.WriteAllText(Path.Combine(options.PluginFolder, name), name);
        }

        return options;
    }

    internal static PodNetworkState Of(params string[] podCidrs) => Dual with { PodCidrs = List(podCidrs) };

    internal static ImmutableArray<Prefix> List(params string[] prefixes) => [.. prefixes.Select(P)];

    internal static Prefix P(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new ArgumentException(text);
}
