using System.Collections.Immutable;
using System.Globalization;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>Checks one <see cref="NodeConfig"/>, field by field, and gathers what is wrong.</summary>
internal sealed class ConfigCheck(string node, PublicKey? ownKey, ImmutableArray<uint> versions)
{
    // an error list is for people, and travels in every report
    private const int MaxErrors = 20;

    // RFC 8200, section 5: IPv6 needs links of 1280 bytes. The most is what an IPv4 packet holds less the tunnel's overhead.
    private const uint MinMtu = 1280;
    private const uint MaxMtu = 65535 - 80;

    private readonly HashSet<string> _names = [];
    private readonly Dictionary<PublicKey, string> _keys = [];
    private readonly Dictionary<Prefix, string> _owners = [];
    private int _unlisted;

    /// <summary>One sentence each.</summary>
    internal List<string> Errors { get; } = [];

    /// <summary>Checks all; the result is only good if there are no <see cref="Errors"/>.</summary>
    internal CheckedConfig? Config(NodeConfig config)
    {
        if (config.Settings is not { } settings)
        {
            Error("settings", "is missing; a full configuration has it");
            return null;
        }

        if (settings.Node != node)
        {
            Error("settings.node", $"is '{settings.Node}', but this node is '{node}'");
        }

        var result = new CheckedConfig
        {
            Revision = config.Revision,
            Addresses = Addresses(settings.Addresses),
            PodCidrs = Cidrs("settings.pod_cidrs", settings.PodCidrs),
            MeshCidrs = Cidrs("settings.mesh_cidrs", settings.MeshCidrs),
            ServiceCidrs = Cidrs("settings.service_cidrs", settings.ServiceCidrs),
            ListenPort = Port("settings.listen_port", settings.ListenPort),
            Mtu = Mtu(settings.Mtu),
            Closed = Closed(settings.FailurePolicy),
            Released = settings.Released,
            Peers = [.. config.Peers.Select(Peer)],
        };
        if (_unlisted > 0)
        {
            Errors.Add($"and {_unlisted} more");
        }

        return result;
    }

    private CheckedPeer Peer(PeerConfig peer, int index)
    {
        var at = peer.Name.Length > 0 ? $"peer '{peer.Name}'" : $"peers[{index}]";
        if (peer.Name.Length == 0)
        {
            Error($"{at}.name", "is empty");
        }
        else if (!_names.Add(peer.Name))
        {
            Error(at, "is there twice; names are unique");
        }

        // what is left out is 1: an operator of a time when there was no other
        var version = peer.ProtocolVersion == 0 ? 1 : peer.ProtocolVersion;
        if (!versions.Contains(version))
        {
            Error($"{at}: protocol_version", $"is {version}, which this agent does not speak; it speaks {string.Join(", ", versions)}");
        }

        if (peer.PersistentKeepalive > ushort.MaxValue)
        {
            Error($"{at}: persistent_keepalive", $"is {peer.PersistentKeepalive}; 0 to {ushort.MaxValue} seconds would be right");
        }

        HostAndPort endpoint = default;
        if (peer.Endpoint.Length > 0 && !HostAndPort.TryParse(peer.Endpoint, out endpoint))
        {
            Error($"{at}: endpoint", $"is '{peer.Endpoint}'; an address or name with a port, such as 192.0.2.1:51820 or [2001:db8::1]:51820, would be right");
        }

        var allowedIps = Cidrs($"{at}: allowed_ips", peer.AllowedIps);
        foreach (var prefix in allowedIps)
        {
            if (!_owners.TryAdd(prefix, peer.Name))
            {
                Error($"{at}: allowed_ips", $"{prefix} belongs to peer '{_owners[prefix]}' already; an allowed IP has one owner");
            }
        }

        return new CheckedPeer
        {
            Name = peer.Name,
            IsNode = peer.Kind == PeerKind.Node,
            PublicKey = Key(at, peer),
            Endpoint = endpoint.Port == 0 ? null : endpoint,
            AllowedIps = allowedIps,
            PersistentKeepalive = (ushort)Math.Min(peer.PersistentKeepalive, ushort.MaxValue),
            PresharedKey = PresharedKey(at, peer),
            ProtocolVersion = version,
        };
    }

    private PublicKey Key(string at, PeerConfig peer)
    {
        if (peer.PublicKey.Length != PublicKey.Length)
        {
            Error($"{at}: public_key", $"is {peer.PublicKey.Length} bytes long; {PublicKey.Length} would be right");
            return default;
        }

        var key = new PublicKey(peer.PublicKey.Span);
        if (key == default)
        {
            Error($"{at}: public_key", "is all zero, which is no key");
        }
        else if (key == ownKey)
        {
            Error($"{at}: public_key", "is this node's own; every peer has a key of its own");
        }
        else if (!_keys.TryAdd(key, peer.Name))
        {
            Error($"{at}: public_key", $"is that of peer '{_keys[key]}' too; every peer has a key of its own");
        }

        return key;
    }

    private SecretKey? PresharedKey(string at, PeerConfig peer)
    {
        if (peer.PresharedKey.IsEmpty)
        {
            return null;
        }

        if (peer.PresharedKey.Length != SecretKey.Length)
        {
            Error($"{at}: preshared_key", $"is {peer.PresharedKey.Length} bytes long; {SecretKey.Length}, or none at all, would be right");
            return null;
        }

        var key = new SecretKey(peer.PresharedKey.Span);
        return key.IsZero ? null : key;
    }

    private ImmutableArray<Prefix> Cidrs(string field, IEnumerable<string> texts)
    {
        var result = ImmutableArray.CreateBuilder<Prefix>();
        var index = 0;
        foreach (var text in texts)
        {
            var at = $"{field}[{index++}]";
            if (!text.Contains('/', StringComparison.Ordinal) || !Prefix.TryParse(text, out var prefix))
            {
                Error(at, $"is '{text}'; a CIDR such as 10.244.1.0/24 or fd00:1::/64 would be right");
            }
            else if (HasHostBits(text, prefix))
            {
                Error(at, $"is '{text}', which has host bits; {prefix} would be right");
            }
            else
            {
                result.Add(prefix);
            }
        }

        return result.ToImmutable();
    }

    private ImmutableArray<Prefix> Addresses(IEnumerable<string> texts)
    {
        var result = Cidrs("settings.addresses", texts);
        foreach (var prefix in result.Where(p => p.Length != p.Bits))
        {
            Error("settings.addresses", $"has the prefix {prefix}; an address, which has the length {prefix.Bits}, would be right");
        }

        return result;
    }

    private static bool HasHostBits(string text, Prefix prefix) =>
        Prefix.TryParse(text[..text.IndexOf('/', StringComparison.Ordinal)], out var host) && host.Address != prefix.Address;

    private ushort Port(string field, uint port)
    {
        if (port > ushort.MaxValue)
        {
            Error(field, $"is {port}; 1 to {ushort.MaxValue}, or 0 for any, would be right");
        }

        return (ushort)port;
    }

    private int? Mtu(uint mtu)
    {
        if (mtu is not 0 and (< MinMtu or > MaxMtu))
        {
            Error("settings.mtu", $"is {mtu}; {MinMtu} to {MaxMtu} bytes, or 0 to follow the underlay, would be right");
        }

        return mtu == 0 ? null : (int)mtu;
    }

    private bool Closed(FailurePolicy policy)
    {
        if (policy is not (FailurePolicy.Closed or FailurePolicy.Open))
        {
            Error("settings.failure_policy", string.Create(CultureInfo.InvariantCulture, $"is {(int)policy}, which this agent does not know"));
        }

        return policy != FailurePolicy.Open;
    }

    private void Error(string field, string what)
    {
        if (Errors.Count < MaxErrors)
        {
            Errors.Add($"{field} {what}.");
        }
        else
        {
            _unlisted++;
        }
    }
}
