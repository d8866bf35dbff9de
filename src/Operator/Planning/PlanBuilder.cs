using System.Collections.Immutable;
using System.Runtime.InteropServices;
using WgMesh.Engine.Routing;
using WgMesh.Operator.State;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>Writes down what was decided about the members: outcomes, and what each node is to have.</summary>
/// <param name="earlier">Its parts are used where they say the same.</param>
internal sealed class PlanBuilder(ClusterState cluster, Membership membership, MeshPlan? earlier)
{
    private readonly PlanParts _before = earlier?.Parts ?? PlanParts.None;
    private readonly PlanParts _parts = new() { Members = new(membership.Nodes.Count + membership.External.Count) };
    private readonly Dictionary<object, ImmutableArray<string>> _gatewayNames = []; // devices with one selector share them
    private readonly Dictionary<Member, List<Member>> _behind = [];                 // devices, by the node that they are reached through

    public MeshPlan Build()
    {
        var members = membership.All.ToList();
        members.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name) is not 0 and var order ? order : left.Kind.CompareTo(right.Kind));
        foreach (var member in members)
            member.AllowedIps.Sort(PrefixOrder.Instance);

        var outcomes = ImmutableArray.CreateBuilder<PeerOutcome>(members.Count);
        foreach (var member in members)
            outcomes.Add(PartOf(member).Outcome);

        var served = members.FindAll(member => member.IsServed);
        foreach (var device in served.Where(member => member.Gateway is not null))
            (CollectionsMarshal.GetValueRefOrAddDefault(_behind, device.Gateway!, out _) ??= []).Add(device);

        var links = new LinkVersions(cluster.Mesh, [.. served.Where(member => member.Node is not null).Select(member => member.Versions)]);
        var views = ViewsOf(served, links);
        var settings = SettingsOf(members);
        return new MeshPlan
        {
            PeerList = _behind.Count == 0
                ? views[new ViewKey(VersionSet.One, AdmittedDevices.None.Key)].Common
                : PeerList.Of([.. served.Select(member => OwnPeer(member).In(links.Of(VersionSet.One, member.Versions)))], earlier?.PeerList),
            Views = views,
            Protocol = links.Progress,
            Nodes = Nodes(),
            Outcomes = outcomes.MoveToImmutable(),
            Conflicts = [.. membership.Conflicts.Concat(links.Conflicts(served)).Order(StringComparer.Ordinal)],
            Settings = earlier is not null && settings.Equals(earlier.Settings) ? earlier.Settings : settings,
            Parts = _parts,
        };
    }

    private MemberPart PartOf(Member member)
    {
        var key = (member.Kind, member.Node?.Name ?? member.Name);
        var before = _before.Members.GetValueOrDefault(key);
        var allowedIps = PrefixTexts.Of(member.AllowedIps, before?.AllowedIps);
        var addresses = PrefixTexts.Of(
            member.Node is not null || member.Peer is not { AllowedIps.IsEmpty: false }
                ? member.Addresses
                : member.AllowedIps.FindAll(prefix => prefix.Length == prefix.Bits),
            before?.Addresses);
        var podCidrs = member.Node is null ? PrefixTexts.None
            : PrefixTexts.Of([.. member.Node.PodCidrs.Where(member.AllowedIps.Contains)], before?.PodCidrs);
        var outcome = OutcomeOf(member, allowedIps, addresses);
        var node = NodePlanOf(member, addresses, podCidrs);
        return _parts.Members[key] = new MemberPart
        {
            AllowedIps = allowedIps,
            Addresses = addresses,
            PodCidrs = podCidrs,
            Outcome = outcome.Equals(before?.Outcome) ? before.Outcome : outcome,
            Node = node is not null && node.Equals(before?.Node) ? before.Node : node,
            Peer = member.IsServed ? PlannedPeer.Of(member, EndpointOf(member), KeepaliveOf(member), allowedIps, before?.Peer) : null,
        };
    }

    private PeerOutcome OutcomeOf(Member member, PrefixTexts allowedIps, PrefixTexts addresses)
    {
        var admission = member.IsRefused ? PeerAdmission.Refused
            : member.PublicKey is null ? PeerAdmission.Waiting
            : member.Messages.Count > 0 ? PeerAdmission.PartlyAccepted
            : PeerAdmission.Accepted;
        return new PeerOutcome
        {
            Name = member.Name,
            Kind = member.Kind,
            Node = member.Node?.Name,
            Generation = member.Generation,
            Admission = admission,
            Reason = admission == PeerAdmission.Waiting ? PeerReason.Waiting : member.Reason ?? PeerReason.Accepted,
            Addresses = addresses.Texts,
            AllowedIps = member.IsRefused ? [] : allowedIps.Texts,
            Messages = [.. member.Messages],
            Versions = member.PublicKey is null ? default : member.Versions,
            Gateway = member.Gateway?.Node!.Name,
            GatewayNodes = member.GatewayNodes is { Count: > 0 } nodes ? NamesOf(nodes) : [],
        };
    }

    private static NodePlan? NodePlanOf(Member member, PrefixTexts addresses, PrefixTexts podCidrs) => member.Node is not { } node ? null : new NodePlan(
        node.Name, member.Name, member.PublicKey, member.Peer?.Name, member.IsServed, member.Versions, member.Admits.Key,
        addresses.Texts, podCidrs.Texts);

    private ImmutableSortedDictionary<string, NodePlan> Nodes()
    {
        if (earlier is null)
            return membership.Nodes.ToImmutableSortedDictionary(member => member.Node!.Name, PlanOf, StringComparer.Ordinal);

        var nodes = earlier.Nodes.ToBuilder();
        foreach (var member in membership.Nodes)
        {
            var key = (PeerKind.Node, member.Node!.Name);
            if (!ReferenceEquals(PlanOf(member), _before.Members.GetValueOrDefault(key)?.Node))
                nodes[member.Node.Name] = PlanOf(member);
        }

        if (nodes.Count > membership.Nodes.Count)
            nodes.RemoveRange(earlier.Nodes.Keys.Where(name => !_parts.Members.ContainsKey((PeerKind.Node, name))));
        return nodes.ToImmutable();

        NodePlan PlanOf(Member member) => _parts.Members[(PeerKind.Node, member.Node!.Name)].Node!;
    }

    private Dictionary<ViewKey, PeerView> ViewsOf(List<Member> served, LinkVersions links)
    {
        var everywhere = served.FindAll(member => member.GatewayNodes is null);
        var commons = new Dictionary<VersionSet, PeerList>();
        var overlays = new Dictionary<AdmittedDevices, List<(Member Member, PlannedPeer Peer)>> { [AdmittedDevices.None] = [] };
        var views = new Dictionary<ViewKey, PeerView>();

        AddView(VersionSet.One, AdmittedDevices.None);
        foreach (var node in membership.Nodes)
            AddView(node.Versions, node.Admits);
        return views;

        void AddView(VersionSet versions, AdmittedDevices admits)
        {
            var key = new ViewKey(versions, admits.Key);
            if (views.ContainsKey(key))
                return;

            var before = earlier?.Views.GetValueOrDefault(key);
            if (!commons.TryGetValue(versions, out var common))
            {
                var earlierCommon = earlier?.Views.GetValueOrDefault(new ViewKey(versions, AdmittedDevices.None.Key)) ?? before;
                common = commons[versions] = PeerList.Of(
                    [.. everywhere.Select(member => Peer(member).In(links.Of(versions, member.Versions)))], earlierCommon?.Common);
            }

            if (!overlays.TryGetValue(admits, out var overlay))
                overlay = overlays[admits] = OverlayOf(admits);

            views[key] = PeerView.Of(
                common,
                PeerList.Of([.. overlay.Select(entry => entry.Peer.In(links.Of(versions, entry.Member.Versions)))], before?.Overlay),
                before);
        }

        PlannedPeer Peer(Member member) => _behind.TryGetValue(member, out var devices) ? WithDevices(member, devices, "") : OwnPeer(member);
    }

    /// <summary>The devices that a node admits; and their gateways without what lies behind those devices.</summary>
    private List<(Member Member, PlannedPeer Peer)> OverlayOf(AdmittedDevices admits)
    {
        var devices = admits.Groups.SelectMany(group => group).ToHashSet();
        var overlay = devices.Select(device => (device, OwnPeer(device))).ToList();
        foreach (var gateway in devices.Select(device => device.Gateway!).Distinct())
        {
            var rest = _behind[gateway].FindAll(device => !devices.Contains(device));
            overlay.Add((gateway, rest.Count == 0 ? OwnPeer(gateway) : WithDevices(gateway, rest, admits.Key)));
        }

        overlay.Sort((left, right) => string.CompareOrdinal(left.Item1.Name, right.Item1.Name));
        return overlay;
    }

    private PlannedPeer OwnPeer(Member member) => _parts.Members[(member.Kind, member.Node?.Name ?? member.Name)].Peer!;

    private PlannedPeer WithDevices(Member gateway, List<Member> devices, string admits)
    {
        var key = (gateway.Name, admits);
        if (_parts.Gateways.TryGetValue(key, out var peer))
            return peer;

        var before = _before.Gateways.GetValueOrDefault(key);
        var allowedIps = gateway.AllowedIps.Concat(devices.SelectMany(device => device.AllowedIps)).ToList();
        allowedIps.Sort(PrefixOrder.Instance);
        return _parts.Gateways[key] = PlannedPeer.Of(
            gateway, EndpointOf(gateway), KeepaliveOf(gateway), PrefixTexts.Of(allowedIps, before?.AllowedIps), before);
    }

    private MeshSettings SettingsOf(List<Member> members)
    {
        // what lies within these, nearly everything, need not be sorted
        var wide = cluster.Mesh.PodCidrs.AddRange(cluster.Mesh.AddressPools);
        var prefixes = wide.ToList();
        foreach (var node in cluster.Nodes.Concat(cluster.Outside)) // also what nobody can reach is not to leave in the clear
            AddOthers(node.PodCidrs);
        foreach (var member in members)
        {
            AddOthers(member.Addresses);
            if (member.Reason == PeerReason.NoGateway)
                AddOthers(member.AllowedIps); // nobody can reach it, and nothing for it is to leave in the clear
        }

        return new MeshSettings(
            cluster.Mesh.ListenPort,
            (uint)(cluster.Mesh.Mtu ?? 0),
            cluster.Mesh.FailurePolicy == Crds.FailurePolicy.Open ? FailurePolicy.Open : FailurePolicy.Closed,
            cluster.Mesh.Released,
            PrefixTexts.Of(Prefixes.Minimize(prefixes), earlier?.Settings.MeshCidrs),
            PrefixTexts.Of([.. cluster.Mesh.ServiceCidrs], earlier?.Settings.ServiceCidrs));

        bool IsWithin(Prefix prefix)
        {
            foreach (var cover in wide)
            {
                if (cover.Length <= prefix.Length && cover.Overlaps(prefix))
                    return true;
            }

            return false;
        }

        void AddOthers(IEnumerable<Prefix> others)
        {
            foreach (var prefix in others)
            {
                if (!IsWithin(prefix))
                    prefixes.Add(prefix);
            }
        }
    }

    /// <summary>What the agent was told to announce, because people know better there; else the address that the cluster has for the node.</summary>
    private string EndpointOf(Member member)
    {
        if (member.Peer?.Endpoint is { } declared)
            return declared;
        if (member.Announcement?.Endpoints is [var announced, ..])
            return announced;
        if (member.Node?.Address is not { } address)
            return "";

        var port = cluster.Mesh.ListenPort;
        return address.Contains(':', StringComparison.Ordinal) ? $"[{address}]:{port}" : $"{address}:{port}";
    }

    private uint KeepaliveOf(Member member) => member.Peer?.PersistentKeepalive ?? cluster.Mesh.PersistentKeepalive;

    private ImmutableArray<string> NamesOf(IReadOnlyList<Member> nodes)
    {
        if (!_gatewayNames.TryGetValue(nodes, out var names))
            names = _gatewayNames[nodes] = [.. nodes.Select(node => node.Node!.Name)];
        return names;
    }
}
