using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Cni;

/// <summary>Calls plugins as a container runtime does, by a network configuration list.</summary>
/// <param name="host">The node.</param>
/// <param name="conflist">The file.</param>
/// <param name="bin">The folder of the plugins.</param>
internal sealed class CniRuntime(NetNamespace host, string conflist, string bin)
{
    /// <summary>Connects a pod.</summary>
    /// <returns>What the last plugin answered.</returns>
    internal JsonNode Add(NetNamespace pod, JsonArray? portMappings = null)
    {
        JsonNode? result = null;
        foreach (var plugin in Plugins())
        {
            result = JsonNode.Parse(Call("ADD", pod, plugin, portMappings, result))!;
        }

        return result!;
    }

    /// <summary>Disconnects it.</summary>
    internal void Delete(NetNamespace pod)
    {
        foreach (var plugin in Plugins().Reverse())
        {
            Call("DEL", pod, plugin);
        }
    }

    /// <summary>Asks the first plugin, or has it do something for the whole network.</summary>
    /// <param name="version">Of the specification.</param>
    internal string CallFirst(string command, string version)
    {
        var plugin = Plugins().First();
        plugin["cniVersion"] = version;
        return Call(command, host, plugin);
    }

    private IEnumerable<JsonObject> Plugins()
    {
        var list = JsonNode.Parse(File.ReadAllText(conflist))!;
        foreach (var plugin in list["plugins"]!.AsArray())
        {
            var whole = plugin!.DeepClone().AsObject();
            whole["cniVersion"] = list["cniVersion"]!.DeepClone();
            whole["name"] = list["name"]!.DeepClone();
            yield return whole;
        }
    }

    private string Call(string command, NetNamespace pod, JsonObject plugin, JsonArray? portMappings = null, JsonNode? result = null)
    {
        if (plugin["capabilities"]?["portMappings"] is not null && portMappings is not null)
        {
            plugin["runtimeConfig"] = new JsonObject { ["portMappings"] = portMappings.DeepClone() };
        }

        if (result is not null)
        {
            plugin["prevResult"] = result.DeepClone();
        }

        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config"), plugin.ToJsonString());
        return host.Exec(
            "env", $"CNI_COMMAND={command}", $"CNI_CONTAINERID={pod.Name}", $"CNI_NETNS={pod.Path}", "CNI_IFNAME=eth0", $"CNI_PATH={bin}",
            "sh", "-c", "exec \"$0\" <\"$1\"", Path.Combine(bin, plugin["type"]!.GetValue<string>()), folder.File("config"));
    }
}
