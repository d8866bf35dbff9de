using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using WgMesh.Engine;
using WgMesh.Engine.Routing;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>A <see cref="NodeConfig"/> of which every field holds. What does not hold never gets past here.</summary>
internal sealed record CheckedConfig
{
    internal required ulong Revision { get; init; }

    /// <summary>Of the node in the mesh, as prefixes of full length.</summary>
    internal required ImmutableArray<Prefix> Addresses { get; init; }

    internal required ImmutableArray<Prefix> PodCidrs { get; init; }

    internal required ImmutableArray<Prefix> MeshCidrs { get; init; }

    /// <summary>Of the cluster: addresses that are translated on the node before anything leaves it.</summary>
    internal required ImmutableArray<Prefix> ServiceCidrs { get; init; }

    /// <summary>0: any.</summary>
    internal required ushort ListenPort { get; init; }

    /// <summary>Bytes; null: the underlay's less the tunnel's overhead.</summary>
    internal required int? Mtu { get; init; }

    /// <summary>No tunnel, no packet.</summary>
    internal required bool Closed { get; init; }

    /// <summary>Everything of the mesh is to be taken off the node.</summary>
    internal required bool Released { get; init; }

    internal required ImmutableArray<CheckedPeer> Peers { get; init; }

    /// <summary>Checks everything, so that a person sees all errors at once.</summary>
    /// <param name="config">As received.</param>
    /// <param name="node">The name of this node.</param>
    /// <param name="ownKey">This node's public key, which no peer may have.</param>
    /// <param name="versions">The protocol versions that the device speaks.</param>
    /// <param name="errors">One sentence each: the field, what it holds, what would be right. Never a secret.</param>
    /// <returns>Null if there is an error.</returns>
    internal static CheckedConfig? From(NodeConfig config, string node, PublicKey? ownKey, ImmutableArray<uint> versions, out ImmutableArray<string> errors)
    {
        var check = new ConfigCheck(node, ownKey, versions);
        var result = check.Config(config);
        errors = [.. check.Errors];
        return errors.IsEmpty ? result : null;
    }
}

/// <summary>A peer of which every field holds.</summary>
internal sealed record CheckedPeer
{
    internal required string Name { get; init; }

    internal required bool IsNode { get; init; }

    internal required PublicKey PublicKey { get; init; }

    /// <summary>Null: the peer calls first.</summary>
    internal required HostAndPort? Endpoint { get; init; }

    internal required ImmutableArray<Prefix> AllowedIps { get; init; }

    /// <summary>Seconds; 0 is off.</summary>
    internal required ushort PersistentKeepalive { get; init; }

    /// <summary>Null: none.</summary>
    internal required SecretKey? PresharedKey { get; init; }

    /// <summary>The protocol version of the link; one that the device speaks.</summary>
    internal required uint ProtocolVersion { get; init; }
}

/// <summary>Where a peer or an operator can be reached: an address or a DNS name, and a port.</summary>
/// <param name="Host">Without brackets.</param>
/// <param name="Port">1 to 65535.</param>
internal readonly record struct HostAndPort(string Host, ushort Port)
{
    /// <summary>The address, or null if <see cref="Host"/> is a name.</summary>
    internal IPAddress? Address => IPAddress.TryParse(Host, out var address) ? address : null;

    /// <summary>Parses <c>192.0.2.1:51820</c>, <c>[2001:db8::1]:51820</c> or <c>gw.example.net:51820</c>.</summary>
    internal static bool TryParse(string text, out HostAndPort result)
    {
        result = default;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
        {
            return false;
        }

        var host = text[..colon];
        if (host is ['[', .., ']'])
        {
            host = host[1..^1];
            if (!IPAddress.TryParse(host, out var address) || address.AddressFamily != AddressFamily.InterNetworkV6)
            {
                return false;
            }
        }
        else if (IPAddress.TryParse(host, out _))
        {
            // IPAddress would take "10.1" as 10.0.0.1, and a bare IPv6 address leaves it open where the port starts
            if (host.Count(c => c == '.') != 3 || host.Contains(':', StringComparison.Ordinal))
            {
                return false;
            }
        }
        else if (Uri.CheckHostName(host) != UriHostNameType.Dns || char.IsAsciiDigit(host.TrimEnd('.')[^1]))
        {
            // no top-level domain ends in a digit: "300.1.1.1" is a mistyped address, not a name to look up for ever
            return false;
        }

        result = new HostAndPort(host, port);
        return true;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");
}
