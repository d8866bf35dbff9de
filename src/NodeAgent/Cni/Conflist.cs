using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using WgMesh.Engine.Routing;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Composes the network configuration by which the container runtime connects the node's pods. Pure.</summary>
internal static class Conflist
{
    /// <summary>Of the network; host-local keeps its addresses in a folder of this name.</summary>
    internal const string NetworkName = "wgmesh";

    /// <summary>Of the CNI specification.</summary>
    internal const string SpecVersion = "1.0.0";

    /// <summary>What runtimes call for every pod, in a version of their own.</summary>
    internal const string Loopback = "loopback";

    /// <summary>What the configuration calls, and <see cref="Loopback"/>.</summary>
    internal static ImmutableArray<string> Plugins { get; } = ["ptp", "host-local", "portmap", Loopback];

    /// <summary>
    /// Each pod is joined to the host by a pair of veth interfaces, has an address of each of the node's families, and sends everything to
    /// the host.
    /// </summary>
    /// <param name="desired">The pod network.</param>
    /// <param name="gate">host-local refuses to give addresses while this file is missing.</param>
    /// <param name="storeFolder">Where host-local keeps which addresses it has given, a folder per network.</param>
    /// <returns>The file, null if no pod CIDR can be used; and what could not be taken up, one sentence each.</returns>
    internal static (byte[]? Content, ImmutableArray<string> Faults) Compose(PodNetworkState desired, string gate, string storeFolder)
    {
        // host-local leaves out the first address and IPv4's last one
        ImmutableArray<string> faults = [.. desired.PodCidrs.Where(IsTooSmall).Select(p =>
            $"cni: the pod CIDR {p} is too small to give addresses to pods from: it needs /{p.Bits - 2} or shorter")];
        var families = Prefixes.Outermost(desired.PodCidrs.Where(p => !IsTooSmall(p))).GroupBy(p => p.IsIPv6).ToList();
        if (families.Count == 0)
        {
            return (null, faults);
        }

        var list = new NetworkList(SpecVersion, NetworkName,
        [
            new Plugin("ptp")
            {
                Mtu = desired.Mtu,
                Ipam = new AddressManagement(
                    "host-local",
                    storeFolder,
                    gate,
                    // a pod gets an address of every one of these
                    [.. families.Select(family => family.Select(p => new AddressRange(p.ToString())).ToArray())],
                    [.. families.Select(family => new PodRoute(family.Key ? "::/0" : "0.0.0.0/0"))]),
            },
            new Plugin("portmap") { Capabilities = new Capabilities(PortMappings: true) },
        ]);
        return ([.. JsonSerializer.SerializeToUtf8Bytes(list, ConflistJson.Default.NetworkList), (byte)'\n'], faults);
    }

    /// <summary>Where a configuration that <see cref="Compose"/> made has pods' addresses from; none of one that somebody changed beyond recognition.</summary>
    internal static ImmutableArray<Prefix> RangesOf(byte[] content)
    {
        try
        {
            var plugins = JsonSerializer.Deserialize(content, ConflistJson.Default.NetworkList)?.Plugins ?? [];
            return [.. plugins.SelectMany(plugin => plugin.Ipam?.Ranges ?? []).SelectMany(ranges => ranges)
                .Select(range => Prefix.TryParse(range.Subnet, out var prefix) ? prefix : (Prefix?)null).OfType<Prefix>()];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private static bool IsTooSmall(Prefix prefix) => prefix.Length > prefix.Bits - 2;
}

/// <summary>A network configuration list, as the CNI specification has it.</summary>
internal sealed record NetworkList(string CniVersion, string Name, Plugin[] Plugins);

/// <summary>A plugin's part of it.</summary>
internal sealed record Plugin(string Type)
{
    /// <summary>Bytes.</summary>
    public int? Mtu { get; init; }

    /// <summary>Who gives the addresses.</summary>
    public AddressManagement? Ipam { get; init; }

    /// <summary>What the plugin wants to be told by the runtime.</summary>
    public Capabilities? Capabilities { get; init; }
}

/// <summary>host-local's part of it.</summary>
/// <param name="DataDir">Where it keeps what it has given.</param>
/// <param name="ResolvConf">It reads this file, and refuses to work without.</param>
/// <param name="Ranges">One address of each.</param>
internal sealed record AddressManagement(string Type, string DataDir, string ResolvConf, AddressRange[][] Ranges, PodRoute[] Routes);

/// <summary>Addresses for pods.</summary>
internal sealed record AddressRange(string Subnet);

/// <summary>A route in the pod, by the host.</summary>
internal sealed record PodRoute(string Dst);

/// <summary>What a plugin wants to be told by the runtime.</summary>
internal sealed record Capabilities(bool PortMappings);

/// <summary>Compile-time JSON of the above.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NetworkList))]
internal sealed partial class ConflistJson : JsonSerializerContext;
