using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// A WireGuard interface without its sockets: datagrams, packets and the time go in; packets, datagrams to send (in an
/// <see cref="Outbox"/>) and reasons for drops come out. Packets may be handled by several threads at once, and handshake messages
/// beside them by one; configuration changes are serialized here.
/// </summary>
internal sealed class ProtocolCore
{
    /// <summary>With this many handshake messages waiting, the device is under load.</summary>
    public const int LoadThreshold = 128;

    private static readonly SecretKey NoKey = new(new byte[SecretKey.Length]);

    private readonly Lock _configuration = new();
    private readonly ConcurrentDictionary<PublicKey, Peer> _peers = new();
    private readonly RateLimiter _rateLimiter = new();
    private readonly NoiseHandshake _read = new(); // what is read of an initiation, by the one thread that handshakes come in on; wiped behind each
    private long _added;
    private bool _peersChanged;
    private volatile StaticIdentity? _identity;
    private volatile CookieChecker? _checker;
    private volatile int _mtu = 1420;
    private long _underLoadUntil;
    private readonly TokenBucket _refusals = new(Limits.RefusalsPerSecond, Limits.RefusalBurst);

    /// <param name="time">Gives the wall clock for timestamps; the monotonic time is handed in with each call.</param>
    /// <param name="random">Gives keys, indices, nonces and jitter.</param>
    /// <param name="wake">Called, by any thread, when <see cref="NextDeadline"/> has moved closer.</param>
    /// <param name="versions">The protocol versions to speak; at least one, the default first. Left out: <see cref="ProtocolVersion.Spoken"/>.</param>
    public ProtocolCore(TimeProvider time, RandomNumberGenerator random, Action? wake = null, ImmutableArray<ProtocolVersion> versions = default)
    {
        Versions = versions.IsDefaultOrEmpty ? ProtocolVersion.Spoken : versions;
        Time = time;
        Random = random;
        Indices = new IndexTable(random);
        Timers = new TimerQueue(wake ?? (() => { }));
    }

    /// <summary>The protocol versions spoken here. The first is that of a peer for which none is configured.</summary>
    public ImmutableArray<ProtocolVersion> Versions { get; }

    public TimeProvider Time { get; }

    public RandomNumberGenerator Random { get; }

    public IndexTable Indices { get; }

    public TimerQueue Timers { get; }

    public AllowedIps<Peer> AllowedIps { get; } = new();

    /// <summary>Drops that no peer can be blamed for.</summary>
    public DropCounters Drops { get; } = new();

    /// <summary>What the packets take that wait for sessions.</summary>
    public StagedMemory Staged { get; } = new(Limits.StagedBytes);

    /// <summary>In the order they were added.</summary>
    public IEnumerable<Peer> Peers => _peers.Values.OrderBy(peer => peer.Sequence);

    /// <summary>In no order, which costs less.</summary>
    public IEnumerable<Peer> UnorderedPeers => _peers.Select(entry => entry.Value);

    /// <summary>What all peers have done, those that are gone included.</summary>
    public PeerTotals Totals { get; } = new();

    /// <summary>
    /// Told, by any thread, how long a handshake of ours took: from the first initiation of the attempt, so retries are in it, to the session.
    /// What the other side started is not told of: when it first tried, only it knows.
    /// </summary>
    public Action<TimeSpan>? HandshakeTook { get; set; }

    public StaticIdentity? Identity => _identity;

    /// <summary>Of the TUN, in bytes; padding stops there.</summary>
    public int Mtu
    {
        get => _mtu;
        set => _mtu = value;
    }

    public Instant NextDeadline => Timers.Next;

    /// <summary>A packet from the interface.</summary>
    public DropReason Send(ReadOnlySpan<byte> packet, Instant now, Outbox outbox) =>
        IpPacket.TryGetLength(packet, out var length)
            ? Send(SuperPacket.Single(packet[..length]), now, outbox)
            : Drops.Add(DropReason.Malformed);

    /// <summary>One packet from the interface, or several that share their addresses.</summary>
    public DropReason Send(in SuperPacket packets, Instant now, Outbox outbox)
    {
        if (AllowedIps.LookupDestination(packets.Packet) is { } peer)
        {
            return peer.Send(packets, now, outbox);
        }

        Refuse(packets.Packet, now, outbox);
        return Drops.Add(DropReason.NoPeer, packets.Count);
    }

    /// <summary>A transport message from the network; opened in place.</summary>
    /// <param name="message">Of type <see cref="MessageType.Transport"/> as <see cref="Messages.Classify"/> says.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="now">The time.</param>
    /// <param name="outbox">Takes what is to be sent because of it.</param>
    /// <param name="peer">Whose it is, if it was not dropped.</param>
    /// <param name="packetLength">Bytes of the inner packet, at offset 16 of the message; 0 for none.</param>
    public DropReason ReceiveTransport(Span<byte> message, in UdpPath from, Instant now, Outbox outbox, out Peer? peer, out int packetLength)
    {
        packetLength = 0;
        if (Indices.Find(Messages.Receiver(message)) is not Session session)
        {
            peer = null;
            return Drops.Add(DropReason.UnknownIndex);
        }

        peer = session.Peer;
        return peer.Receive(session, message, from, now, outbox, out packetLength);
    }

    /// <summary>An initiation, response or cookie reply from the network. One thread at a time: all are read into the same memory.</summary>
    /// <param name="type">Of the message, as <see cref="Messages.Classify"/> says.</param>
    /// <param name="message">The whole datagram.</param>
    /// <param name="from">Where it came from.</param>
    /// <param name="backlog">How many handshake messages wait behind this one.</param>
    /// <param name="now">The time.</param>
    /// <param name="outbox">Takes the answer.</param>
    public DropReason ReceiveHandshake(MessageType type, ReadOnlySpan<byte> message, in UdpPath from, int backlog, Instant now, Outbox outbox)
    {
        if (_identity is not { } identity || _checker is not { } checker)
        {
            return Drops.Add(DropReason.HandshakeFailed);
        }

        if (type == MessageType.CookieReply)
        {
            return FindPeer(Messages.Receiver(message)) is { } sender
                ? sender.AcceptCookieReply(message, now)
                : Drops.Add(DropReason.UnknownIndex);
        }

        if (!checker.HasValidMac1(message))
        {
            return Drops.Add(DropReason.InvalidMac1);
        }

        if (IsUnderLoad(backlog, now))
        {
            if (!checker.HasValidMac2(message, from.Remote, now))
            {
                checker.WriteReply(message, from.Remote, now, outbox.Reserve(Messages.CookieReplyLength));
                outbox.Commit(null, from, Messages.HandshakeTrafficClass, Messages.CookieReplyLength);
                return Drops.Add(DropReason.UnderLoad);
            }

            if (!_rateLimiter.Allow(from.Remote, now))
            {
                return Drops.Add(DropReason.RateLimited);
            }
        }

        if (type == MessageType.Response)
        {
            return Indices.Find(Messages.Receiver(message)) is Peer initiator
                ? initiator.AcceptResponse(message, from, now, outbox)
                : Drops.Add(DropReason.UnknownIndex);
        }

        return ReceiveInitiation(identity, message, from, now, outbox);
    }

    // In memory that is there already: a flood of initiations is no flood of allocations.
    private DropReason ReceiveInitiation(StaticIdentity identity, ReadOnlySpan<byte> message, in UdpPath from, Instant now, Outbox outbox)
    {
        try
        {
            if (!_read.TryReadInitiator(Versions.AsSpan(), identity, message, out var publicKey))
            {
                return Drops.Add(DropReason.HandshakeFailed);
            }

            return _peers.TryGetValue(publicKey, out var peer)
                ? peer.AcceptInitiation(_read, message, from, now, outbox)
                : Drops.Add(DropReason.UnknownPeer);
        }
        finally
        {
            _read.Dispose();
        }
    }

    /// <summary>
    /// These prefixes may now be reached another way: the address by which a peer in there once called us may no longer be the one to
    /// answer from, so the kernel chooses until that peer has been heard again.
    /// </summary>
    public void ForgetLocalAddresses(IReadOnlyCollection<Prefix> changed)
    {
        foreach (var (_, peer) in _peers)
        {
            var endpoint = peer.Endpoint;
            if (endpoint.IsKnown && changed.Any(prefix => prefix.IsIPv6 == endpoint.IsIPv6 && prefix.Contains(endpoint.Address)))
            {
                peer.ForgetLocalAddress();
            }
        }
    }

    /// <summary>Does what the timers of all peers have due.</summary>
    public void Advance(Instant now, Outbox outbox)
    {
        while (Timers.TryTakeDue(now, out var peer))
        {
            peer.OnDeadline(now, outbox);
            Timers.Schedule(peer, peer.NextDeadline);
        }
    }

    /// <summary>Why an update cannot be applied; null: it can.</summary>
    public DeviceError? Validate(DeviceUpdate update)
    {
        foreach (var peer in update.Peers)
        {
            if (peer.ProtocolVersion is { } version && Spoken(version) is null)
            {
                var spoken = string.Join(", ", Versions.Select(known => known.Number));
                return new DeviceError(
                    DeviceError.InvalidArgument, $"peer {peer.PublicKey}: protocol_version {version} is not spoken here; spoken: {spoken}");
            }
        }

        var allowedIps = CountAllowedIps(update);
        return allowedIps > Limits.AllowedIps
            ? new DeviceError(DeviceError.InvalidArgument, $"too many allowed IPs: {allowedIps}, at most {Limits.AllowedIps}")
            : null;
    }

    // How many there are at most when the update is carried out: what it gives, and what there is that it does not take away.
    private int CountAllowedIps(DeviceUpdate update)
    {
        var bound = AllowedIps.Count + update.Peers.Sum(peer => peer.AllowedIps.Count);
        if (bound <= Limits.AllowedIps)
        {
            return bound; // nearly always, and then nothing is to be looked at one by one
        }

        var prefixes = update.Peers.Where(peer => !peer.Remove)
            .SelectMany(peer => peer.AllowedIps.Where(change => !change.Remove)).Select(change => change.Prefix).ToHashSet();
        if (!update.ReplacePeers)
        {
            var emptied = update.Peers.Where(peer => peer.Remove || peer.ReplaceAllowedIps).Select(peer => peer.PublicKey).ToHashSet();
            var taken = update.Peers
                .SelectMany(peer => peer.AllowedIps.Where(change => change.Remove).Select(change => (peer.PublicKey, change.Prefix))).ToHashSet();
            prefixes.UnionWith(AllowedIps.Enumerate()
                .Where(entry => !emptied.Contains(entry.Owner.PublicKey) && !taken.Contains((entry.Owner.PublicKey, entry.Prefix)))
                .Select(entry => entry.Prefix));
        }

        return prefixes.Count;
    }

    private ProtocolVersion? Spoken(uint number) => Versions.FirstOrDefault(version => version.Number == number);

    /// <summary>Carries out a valid update. Ports and marks are the device's.</summary>
    /// <returns>Whether peers came, went, or are called or measured otherwise.</returns>
    public bool Apply(DeviceUpdate update, Instant now, Outbox outbox)
    {
        lock (_configuration)
        {
            _peersChanged = false;
            if (update.PrivateKey is { } key)
            {
                SetIdentity(key.IsZero ? null : new StaticIdentity(key));
            }

            if (update.ReplacePeers)
            {
                var named = update.Peers.Select(peer => peer.PublicKey).ToHashSet();
                foreach (var peer in _peers.Values.Where(peer => !named.Contains(peer.PublicKey)))
                {
                    RemovePeer(peer);
                }
            }

            var mentioned = new HashSet<PublicKey>();
            foreach (var peer in update.Peers)
            {
                Apply(peer, anew: update.ReplacePeers && mentioned.Add(peer.PublicKey), now, outbox);
            }

            return _peersChanged;
        }
    }

    // "anew": the peer is replaced, so that what the update leaves out is gone; its sessions need not be
    private void Apply(PeerUpdate update, bool anew, Instant now, Outbox outbox)
    {
        var exists = _peers.TryGetValue(update.PublicKey, out var peer);
        if (update.Remove)
        {
            if (exists)
            {
                RemovePeer(peer!);
            }

            return;
        }

        // a device never talks to itself
        if ((!exists && update.UpdateOnly) || update.PublicKey == _identity?.PublicKey)
        {
            return;
        }

        peer ??= AddPeer(update.PublicKey);
        var (name, measuredFirst) = (update.Name ?? peer.Name, update.MeasuredFirst ?? peer.MeasuredFirst);
        _peersChanged |= name != peer.Name || measuredFirst != peer.MeasuredFirst;
        (peer.Name, peer.MeasuredFirst) = (name, measuredFirst);
        if ((update.PresharedKey ?? (anew ? NoKey : null)) is { } presharedKey)
        {
            peer.SetPresharedKey(presharedKey);
        }

        peer.Version = (update.ProtocolVersion is { } version ? Spoken(version) : anew ? Versions[0] : null) ?? peer.Version;
        if (update.Endpoint is { } endpoint)
        {
            peer.SetEndpoint(endpoint);
        }
        else if (anew)
        {
            peer.ForgetEndpoint();
        }

        // before anything is sent: what the keepalive lets in must find its allowed IPs
        ApplyAllowedIps(peer, update, anew);
        if ((update.PersistentKeepalive ?? (anew ? (ushort)0 : null)) is { } seconds)
        {
            peer.SetPersistentKeepalive(seconds, now, outbox);
        }

        if (update.Connect)
        {
            peer.Connect(now, outbox);
        }
    }

    private void ApplyAllowedIps(Peer peer, PeerUpdate update, bool anew)
    {
        if (update.ReplaceAllowedIps || anew)
        {
            // only what is not given back is taken away, so that a prefix that stays is never without its owner
            var kept = update.AllowedIps.Where(change => !change.Remove).Select(change => change.Prefix).ToHashSet();
            foreach (var prefix in AllowedIps.List(peer).Where(prefix => !kept.Contains(prefix)))
            {
                AllowedIps.Remove(prefix, peer);
            }
        }

        foreach (var change in update.AllowedIps)
        {
            if (change.Remove)
            {
                AllowedIps.Remove(change.Prefix, peer);
            }
            else
            {
                AllowedIps.Insert(change.Prefix, peer);
            }
        }
    }

    private void SetIdentity(StaticIdentity? identity)
    {
        if (identity is not null && _peers.TryGetValue(identity.PublicKey, out var self))
        {
            RemovePeer(self);
        }

        if (identity?.PublicKey == _identity?.PublicKey)
        {
            identity?.Dispose();
            return;
        }

        var old = _identity;
        var oldChecker = _checker;
        _identity = identity;
        _checker = identity is null ? null : new CookieChecker(identity.PublicKey, Random);
        foreach (var peer in _peers.Values)
        {
            peer.SetIdentity(identity);
        }

        oldChecker?.Dispose();
        old?.Dispose(); // a handshake that is being read with it fails, as it would a moment later
    }

    private Peer AddPeer(PublicKey key)
    {
        var peer = new Peer(this, key, _added++);
        peer.SetIdentity(_identity);
        _peers[key] = peer;
        Totals.Joined(peer);
        _peersChanged = true;
        return peer;
    }

    private void RemovePeer(Peer peer)
    {
        AllowedIps.RemoveOwner(peer);
        _peers.TryRemove(peer.PublicKey, out _);
        peer.Remove();
        Totals.Left(peer);
        _peersChanged = true;
    }

    /// <summary>
    /// Tells a packet's sender that there is no way, as the kernel's WireGuard does; as seldom as the kernel's own ICMP is, so
    /// that a flood to nowhere does not become two.
    /// </summary>
    internal void Refuse(ReadOnlySpan<byte> packet, Instant now, Outbox outbox)
    {
        if (_refusals.TryTake(now))
        {
            outbox.Refuse(packet);
        }
    }

    private Peer? FindPeer(uint index) => Indices.Find(index) switch
    {
        Peer peer => peer,
        Session session => session.Peer,
        _ => null,
    };

    private bool IsUnderLoad(int backlog, Instant now)
    {
        if (backlog >= LoadThreshold)
        {
            Volatile.Write(ref _underLoadUntil, (now + Limits.UnderLoadTime).Nanoseconds);
            return true;
        }

        return now.Nanoseconds < Volatile.Read(ref _underLoadUntil);
    }
}
