using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace WgMesh.Operator.Planning;

/// <summary>A set of devices that some nodes admit and others do not, by the selectors that those nodes match.</summary>
internal sealed class AdmittedDevices
{
    /// <summary>What most nodes admit besides the devices that all do.</summary>
    public static readonly AdmittedDevices None = new("", []);

    private AdmittedDevices(string key, ImmutableStack<IReadOnlyList<Member>> groups) => (Key, Groups) = (key, groups);

    /// <summary>Equal for equal sets of selectors, also in other plans.</summary>
    public string Key { get; }

    /// <summary>The devices, those with one selector together.</summary>
    public ImmutableStack<IReadOnlyList<Member>> Groups { get; }

    public AdmittedDevices With(string selector, IReadOnlyList<Member> devices) => new(
        Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{Key}\n{selector}"))), Groups.Push(devices));
}

/// <summary>
/// Finds out which nodes admit the devices that have gateways, and which of these the other nodes reach a device through: the one that
/// is stored, as long as it is served and has the labels, else the first by name. Costs as much as there are matches, and not a look at
/// every node for every device.
/// </summary>
internal static class GatewayAdmission
{
    public static void Choose(Membership membership, ImmutableSortedDictionary<string, string> stored)
    {
        var devices = membership.External.Where(member => !member.IsRefused && member.Peer?.GatewaySelector is not null).ToList();
        if (devices.Count == 0)
            return;

        var groups = devices.GroupBy(device => TextOf(device.Peer!.GatewaySelector!), StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal);
        var nodes = membership.Nodes.Where(node => node.IsServed).OrderBy(node => node.Node!.Name, StringComparer.Ordinal).ToList();
        var byLabel = ByLabel(nodes, devices);
        var sets = new Dictionary<AdmittedDevices, AdmittedDevices>();
        foreach (var group in groups)
        {
            var admitting = Matching(group.First().Peer!.GatewaySelector!, nodes, byLabel);
            foreach (var device in group)
                Choose(device, admitting, stored.GetValueOrDefault(device.Name), group.Key);

            // nodes that matched the same selectors so far go on sharing one set
            sets.Clear();
            List<Member> together = [.. group];
            foreach (var node in admitting)
            {
                if (!sets.TryGetValue(node.Admits, out var set))
                    set = sets[node.Admits] = node.Admits.With(group.Key, together);
                node.Admits = set;
            }
        }
    }

    private static void Choose(Member device, List<Member> admitting, string? stored, string selector)
    {
        device.GatewayNodes = admitting;
        if (admitting.Count == 0)
        {
            device.Refuse(PeerReason.NoGateway, $"spec.gateways.nodeSelector: no node of the mesh that has a key has the labels {selector}");
            return;
        }

        var (low, high) = (0, admitting.Count - 1);
        while (stored is not null && low <= high)
        {
            var middle = (low + high) / 2;
            var order = string.CompareOrdinal(admitting[middle].Node!.Name, stored);
            if (order == 0)
            {
                device.Gateway = admitting[middle];
                return;
            }

            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }

        device.Gateway = admitting[0];
    }

    private static Dictionary<(string, string), List<Member>> ByLabel(List<Member> nodes, List<Member> devices)
    {
        var wanted = devices.SelectMany(device => device.Peer!.GatewaySelector!).Select(label => label.Key).ToHashSet(StringComparer.Ordinal);
        var byLabel = new Dictionary<(string, string), List<Member>>();
        foreach (var node in nodes)
        {
            foreach (var (key, value) in node.Node!.Labels)
            {
                if (!wanted.Contains(key))
                    continue;
                if (!byLabel.TryGetValue((key, value), out var those))
                    byLabel[(key, value)] = those = [];
                those.Add(node);
            }
        }

        return byLabel;
    }

    /// <summary>Ordered by name.</summary>
    private static List<Member> Matching(
        ImmutableSortedDictionary<string, string> selector, List<Member> nodes, Dictionary<(string, string), List<Member>> byLabel)
    {
        if (selector.IsEmpty)
            return nodes;

        var fewest = selector.Select(label => byLabel.GetValueOrDefault((label.Key, label.Value), [])).MinBy(those => those.Count)!;
        return selector.Count == 1 ? fewest
            : fewest.FindAll(node => selector.All(label => node.Node!.Labels.TryGetValue(label.Key, out var value) && value == label.Value));
    }

    private static string TextOf(ImmutableSortedDictionary<string, string> selector) =>
        string.Join(',', selector.Select(label => $"{label.Key}={label.Value}"));
}
