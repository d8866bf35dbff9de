using System.Collections.Concurrent;
using System.Security.Cryptography;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>
/// A WireGuard interface: a TUN, a UDP socket per family, and the protocol between them. One thread carries packets
/// out, one per family carries them in, and one computes handshakes and keeps the timers, so that neither waits for the
/// other. Configuration may come from any thread at any time and is applied whole or not at all.
/// </summary>
public sealed class WireGuardDevice : IDisposable
{
    /// <summary>Name of the meter with what peers have done: series per peer, so read it with room for them.</summary>
    public const string MeterName = "WgMesh.Engine";

    // How much a thread does before it looks again whether it is to end, or whether something else is due: under a flood there
    // is always one more packet.
    private const int Budget = 64;

    [ThreadStatic]
    private static UdpSendBatch? _scratch;

    private readonly Lock _configuration = new();
    private readonly TunDevice _tun;
    private readonly ProtocolCore _core;
    private readonly HandshakeQueue _handshakes = new();
    private readonly EventFd _stop = new();
    private readonly EventFd _wake = new();
    private readonly BootTimer _timer = new();
    private readonly LinkMonitor _links;
    private readonly DeviceMetrics _metrics;
    private readonly List<Thread> _threads = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Outbox _configurationOutbox = new();
    private readonly ConcurrentQueue<Task> _requests = new();
    private volatile Binding _binding;
    private uint _mark;
    private bool _disposed;

    private WireGuardDevice(TunDevice tun, UdpSocketPair sockets, LinkMonitor links)
    {
        _tun = tun;
        _links = links;
        _core = new ProtocolCore(BootClock.Instance, RandomNumberGenerator.Create(), _wake.Signal) { Mtu = tun.GetMtu() };
        _metrics = new DeviceMetrics(tun.Name, _core);
        _binding = new Binding(this, sockets);
        StartThread("tun", CarryOut);
        StartThread("control", Control);
    }

    /// <summary>Name of the interface, as the kernel gave it.</summary>
    public string Name => _tun.Name;

    /// <summary>Completes when the device has ended: disposed of, or its interface deleted.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Makes the interface (or takes up a persistent one), binds the port, and starts.</summary>
    /// <exception cref="LinuxException">The interface or the port cannot be had; says why.</exception>
    public static WireGuardDevice Open(DeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var tun = TunDevice.Open(options.Name);
        UdpSocketPair? sockets = null;
        LinkMonitor? links = null;
        try
        {
            sockets = UdpSocketPair.Bind(options.ListenPort);
            links = LinkMonitor.Open();
            return new WireGuardDevice(tun, sockets, links);
        }
        catch
        {
            links?.Dispose();
            sockets?.Dispose();
            tun.Dispose();
            throw;
        }
    }

    /// <summary>Whether the interface stays when the device ends, so that its routes go nowhere rather than elsewhere.</summary>
    /// <exception cref="LinuxException">The interface was deleted.</exception>
    public void KeepInterface(bool keep) => _tun.Persist(keep);

    /// <summary>Changes the configuration, whole or not at all.</summary>
    /// <returns>Null, or why nothing was changed.</returns>
    public DeviceError? Apply(DeviceUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        lock (_configuration)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // first what can fail
            if ((ProtocolCore.Validate(update) ?? Rebind(update)) is { } error)
            {
                return error;
            }

            var removed = _core.Apply(update, Now, _configurationOutbox);
            Transmit(_configurationOutbox);
            for (; removed > 0; removed--)
            {
                _metrics.PeerRemoved();
            }

            return null;
        }
    }

    /// <summary>Configuration and statistics at this moment.</summary>
    public DeviceSnapshot Snapshot() => new()
    {
        Name = Name,
        PrivateKey = _core.Identity is { } identity ? new SecretKey(identity.PrivateKey.Bytes) : null,
        PublicKey = _core.Identity?.PublicKey,
        ListenPort = _binding.Sockets.Port,
        FirewallMark = _mark,
        Mtu = _core.Mtu,
        Peers = [.. _core.Peers.Select(Snapshot)],
    };

    /// <summary>Packets and messages dropped for a reason that no peer can be blamed for.</summary>
    internal long Drops(DropReason reason) => _core.Drops[reason];

    /// <summary>Ends the device: its threads, its sockets, its keys and, unless it is kept, its interface.</summary>
    public void Dispose()
    {
        lock (_configuration)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        _stop.Signal();
        foreach (var thread in _threads)
        {
            thread.Join();
        }

        _binding.Dispose();
        _metrics.Dispose();
        _core.Apply(new DeviceUpdate { PrivateKey = new SecretKey(new byte[SecretKey.Length]), ReplacePeers = true }, Now, _configurationOutbox);
        _tun.Dispose();
        _links.Dispose();
        _stop.Dispose();
        _wake.Dispose();
        _timer.Dispose();
        _ended.TrySetResult();
    }

    private static Instant Now => Instant.Now(BootClock.Instance);

    private PeerSnapshot Snapshot(Peer peer) => new()
    {
        PublicKey = peer.PublicKey,
        Name = peer.Name,
        PresharedKey = peer.PresharedKey,
        Endpoint = peer.Endpoint,
        PersistentKeepalive = peer.PersistentKeepalive,
        AllowedIps = _core.AllowedIps.List(peer),
        LastHandshake = peer.LastHandshake,
        ReceivedBytes = (ulong)peer.Counters.ReceivedBytes,
        SentBytes = (ulong)peer.Counters.SentBytes,
        ReceivedPackets = (ulong)peer.Counters.ReceivedPackets,
        SentPackets = (ulong)peer.Counters.SentPackets,
        ProtocolVersion = ProtocolVersion.One.Number,
    };

    private DeviceError? Rebind(DeviceUpdate update)
    {
        var mark = update.FirewallMark ?? _mark;
        try
        {
            if (update.ListenPort is { } port && port != _binding.Sockets.Port)
            {
                var sockets = OnControlThread(() => UdpSocketPair.Bind(port, mark));
                var old = _binding;
                _binding = new Binding(this, sockets);
                old.Dispose();
            }
            else if (mark != _mark)
            {
                _binding.Sockets.SetMark(mark);
            }
        }
        catch (LinuxException e)
        {
            return new DeviceError(e.Errno, e.Message);
        }

        _mark = mark;
        return null;
    }

    // A socket belongs to the network namespace of the thread that makes it, and the control thread has never left the one
    // that the device was opened in; the caller may have.
    private T OnControlThread<T>(Func<T> action)
    {
        var task = new Task<T>(action);
        _requests.Enqueue(task);
        _wake.Signal();
        return task.GetAwaiter().GetResult();
    }

    private void StartThread(string role, ThreadStart body)
    {
        var thread = new Thread(body) { Name = $"{Name}/{role}", IsBackground = true };
        _threads.Add(thread);
        thread.Start();
    }

    // TUN → allowed IPs → peer → session → UDP
    private void CarryOut()
    {
        var packet = new byte[VirtioHeader.Length + Messages.MaximumLength];
        var outbox = new Outbox();
        ReadOnlySpan<Descriptor> wait = [_tun.Queues[0].Descriptor, _stop.Descriptor];
        while ((Poll.Wait(wait, Timeout.InfiniteTimeSpan) & 2) == 0)
        {
            var errno = 0;
            for (int left = Budget, length; left > 0 && (length = _tun.Queues[0].Read(packet, out errno)) > 0; left--)
            {
                _core.Send(packet.AsSpan(VirtioHeader.Length, length - VirtioHeader.Length), Now, outbox);
                Transmit(outbox);
            }

            if (errno is Linux.Interop.Errno.EBADFD or Linux.Interop.Errno.EBADF)
            {
                _ended.TrySetResult(); // the interface is gone
                return;
            }
        }
    }

    // UDP → session by index → open → replay and source checks → TUN; handshakes go to the control thread
    private void CarryIn(UdpSocket socket, EventFd unbound)
    {
        var batch = new UdpReceiveBatch();
        socket.StopCoalescing();
        var outbox = new Outbox();
        ReadOnlySpan<Descriptor> wait = [socket.Descriptor, _stop.Descriptor, unbound.Descriptor];
        while ((Poll.Wait(wait, Timeout.InfiniteTimeSpan) & 6) == 0)
        {
            // an errno other than "nothing there" is an ICMP error of an earlier send, or a datagram longer than any of ours
            for (int left = Budget, count, errno;
                left > 0 && ((count = socket.Receive(batch, out errno)) >= 0 || errno != Linux.Interop.Errno.EAGAIN);
                left -= UdpReceiveBatch.Capacity)
            {
                if (count < 0)
                {
                    if (errno == Linux.Interop.Errno.EBADF)
                    {
                        return;
                    }

                    continue;
                }

                for (var i = 0; i < count; i++)
                {
                    Receive(batch.Buffer, batch.Offset(i), batch.Length(i), batch.From(i).Remote, outbox);
                    Transmit(outbox);
                }
            }
        }
    }

    private void Receive(byte[] buffer, int offset, int count, in Endpoint from, Outbox outbox)
    {
        var datagram = buffer.AsSpan(offset, count);
        var type = Messages.Classify(datagram);
        if (type == MessageType.Transport)
        {
            _core.ReceiveTransport(datagram, from, Now, outbox, out var peer, out var length);
            if (length > 0 && _tun.Queues[0].Write(default, buffer, [new Slice(offset + Messages.TransportHeaderLength, length)], out _) < 0)
            {
                peer!.Counters.Drops.Add(DropReason.InterfaceFailed);
            }
        }
        else if (type == MessageType.None)
        {
            _core.Drops.Add(DropReason.Malformed);
        }
        else if (_handshakes.TryEnqueue(type, datagram, from))
        {
            _wake.Signal();
        }
        else
        {
            _core.Drops.Add(DropReason.RateLimited);
        }
    }

    // Handshakes, deadlines, and what the kernel says of the interface.
    private void Control()
    {
        Span<byte> message = stackalloc byte[Messages.InitiationLength];
        var outbox = new Outbox();
        var events = new List<LinkEvent>();
        ReadOnlySpan<Descriptor> wait = [_wake.Descriptor, _stop.Descriptor, _links.Descriptor, _timer.Descriptor];
        while (true)
        {
            for (var left = Budget; left > 0 && _handshakes.TryDequeue(message, out var type, out var from, out var length, out var backlog); left--)
            {
                _core.ReceiveHandshake(type, message[..length], from, backlog, Now, outbox);
                Transmit(outbox);
            }

            _core.Advance(Now, outbox);
            Transmit(outbox);
            _timer.Set(_core.NextDeadline.Nanoseconds);
            var ready = Poll.Wait(wait, _handshakes.IsEmpty ? Timeout.InfiniteTimeSpan : TimeSpan.Zero);
            if ((ready & 2) != 0)
            {
                return;
            }

            if ((ready & 1) != 0)
            {
                _wake.Drain();
                while (_requests.TryDequeue(out var request))
                {
                    request.RunSynchronously();
                }
            }

            if ((ready & 4) != 0)
            {
                FollowInterface(events);
            }
        }
    }

    private void FollowInterface(List<LinkEvent> events)
    {
        events.Clear();
        _links.Read(events);
        if (!events.Exists(happened => happened is LinkEvent.LinkChanged or LinkEvent.LinkGone or LinkEvent.Resync))
        {
            return;
        }

        try
        {
            _core.Mtu = _tun.GetMtu();
        }
        catch (LinuxException e) when (e.Errno is Linux.Interop.Errno.EBADFD or Linux.Interop.Errno.ENODEV)
        {
            _ended.TrySetResult(); // the interface is gone
        }
        catch (LinuxException)
        {
            // out of descriptors, say: the MTU stays as it was known
        }
    }

    private void Transmit(Outbox outbox)
    {
        if (outbox.Count == 0)
        {
            return;
        }

        var sockets = _binding.Sockets;
        var scratch = _scratch ??= new UdpSendBatch();
        foreach (ref readonly var datagram in outbox.Datagrams)
        {
            var run = new UdpRun(0, datagram.Length, datagram.Length, new Path(datagram.To), 0);
            if ((datagram.To.IsIPv6 ? sockets.IPv6 : sockets.IPv4)?[0].Send(outbox.Bytes(datagram).ToArray(), [run], scratch, out _) != 1)
            {
                (datagram.Peer?.Counters.Drops ?? _core.Drops).Add(DropReason.SendFailed);
            }
        }

        outbox.Clear();
    }

    /// <summary>The sockets of one port with the threads that receive from them.</summary>
    private sealed class Binding : IDisposable
    {
        private readonly EventFd _unbound = new();
        private readonly List<Thread> _threads = [];

        public Binding(WireGuardDevice device, UdpSocketPair sockets)
        {
            Sockets = sockets;
            foreach (var socket in sockets.All)
            {
                {
                    var thread = new Thread(() => device.CarryIn(socket, _unbound))
                    {
                        Name = $"{device.Name}/{(socket.IsIPv6 ? "udp6" : "udp4")}",
                        IsBackground = true,
                    };
                    _threads.Add(thread);
                    thread.Start();
                }
            }
        }

        public UdpSocketPair Sockets { get; }

        public void Dispose()
        {
            _unbound.Signal();
            foreach (var thread in _threads)
            {
                thread.Join();
            }

            Sockets.Dispose();
            _unbound.Dispose();
        }
    }
}
