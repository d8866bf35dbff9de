namespace WgMesh.Engine.Protocol;

/// <summary>The protocol's constants: section 6.1 of the WireGuard paper, with the kernel's values where the paper leaves room.</summary>
public static class Limits
{
    /// <summary>A session that has sent more messages than this is replaced.</summary>
    public const ulong RekeyAfterMessages = 1UL << 60;

    /// <summary>A session may not send or receive a counter from here on: 2^64 - 2^13 - 1, so that the replay window never wraps.</summary>
    public const ulong RejectAfterMessages = ulong.MaxValue - (1UL << 13);

    /// <summary>The initiator replaces a session of this age when it sends.</summary>
    public static readonly TimeSpan RekeyAfterTime = TimeSpan.FromSeconds(120);

    /// <summary>A session of this age neither sends nor receives.</summary>
    public static readonly TimeSpan RejectAfterTime = TimeSpan.FromSeconds(180);

    /// <summary>An initiation is sent again when no response came for this long; also the smallest gap between two.</summary>
    public static readonly TimeSpan RekeyTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Retries end after this long.</summary>
    public static readonly TimeSpan RekeyAttemptTime = TimeSpan.FromSeconds(90);

    /// <summary>Having received data and sent nothing for this long, an empty packet is sent.</summary>
    public static readonly TimeSpan KeepaliveTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Spread of retransmissions, so that two peers do not answer each other's initiations in step for ever.</summary>
    public static readonly TimeSpan RekeyTimeoutJitter = TimeSpan.FromMilliseconds(333);

    /// <summary>Having sent data and heard nothing for this long (plus jitter), a new handshake is started.</summary>
    public static readonly TimeSpan NewHandshakeTimeout = KeepaliveTimeout + RekeyTimeout;

    /// <summary>An initiator that receives under a session of this age replaces it, lest it expire in the middle of a one-way stream.</summary>
    public static readonly TimeSpan RekeyAfterTimeReceiving = RejectAfterTime - KeepaliveTimeout - RekeyTimeout;

    /// <summary>All keys of a peer are wiped this long after its last session was made.</summary>
    public static readonly TimeSpan ZeroKeysAfter = 3 * RejectAfterTime;

    /// <summary>Life of the secret that makes cookies, and of a received cookie.</summary>
    public static readonly TimeSpan CookieLifetime = TimeSpan.FromSeconds(120);

    /// <summary>A sender stops using a cookie this much before its maker forgets it.</summary>
    public static readonly TimeSpan CookieLatency = TimeSpan.FromSeconds(5);

    /// <summary>Initiations from one peer that come closer together than this are dropped.</summary>
    public static readonly TimeSpan InitiationGap = TimeSpan.FromMilliseconds(20);

    /// <summary>Once under load, a device counts as loaded for this long.</summary>
    public static readonly TimeSpan UnderLoadTime = TimeSpan.FromSeconds(1);

    /// <summary>Packets that wait for a session, per peer; beyond it the oldest is dropped.</summary>
    public const int StagedPackets = 128;

    /// <summary>
    /// Bytes of all packets of a device that wait for a session: what 46 peers may keep of 1,420 bytes each. Beyond it no peer keeps more than it
    /// does already, and one that keeps nothing may keep one packet.
    /// </summary>
    public const int StagedBytes = 8 << 20;

    /// <summary>
    /// Allowed IPs of a device, of both families: ours; the paper and the kernel have none. Half of what a family's trie holds at worst
    /// (<see cref="Routing.AllowedIpsTrie{TBits}.Capacity"/>), for while an update is carried out its own may be there beside all that it takes away.
    /// </summary>
    public const int AllowedIps = 500_000;

    /// <summary>Plaintext is padded with zeros to a multiple of this, but never beyond the MTU.</summary>
    public const int PaddingMultiple = 16;

    /// <summary>ICMP messages about packets that have no way, per second and in a burst: the kernel's own defaults (icmp_msgs_per_sec, icmp_msgs_burst).</summary>
    public const int RefusalsPerSecond = 1000;

    /// <inheritdoc cref="RefusalsPerSecond"/>
    public const int RefusalBurst = 50;
}
