using System.Collections.Concurrent;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto.Kernels;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Device;

/// <summary>
/// A WireGuard interface: a TUN, a UDP socket per family, and the protocol between them. Lanes carry the packets: threads that take a
/// batch from one end to the other in buffers they own. Another thread computes handshakes and keeps the timers, so that neither waits
/// for the other. Configuration may come from any thread at any time and is applied whole or not at all.
/// </summary>
public sealed class WireGuardDevice : IDisposable
{
    /// <summary>Name of the meter. There are series per peer, so read it with room for them: <see cref="MostSeries"/>.</summary>
    public const string MeterName = "WgMesh.Engine";

    // How much a thread does before it looks again whether it is to end, or whether something else is due: under a flood there
    // is always one more packet.
    internal const int Budget = 64;

    private static readonly Prefix[] Everywhere = [Prefix.Create(0, 0, isIPv6: false), Prefix.Create(0, 0, isIPv6: true)];

    private readonly Lock _configuration = new();
    private readonly TunDevice _tun;
    private readonly ProtocolCore _core;
    private readonly HandshakeQueue _handshakes = new();
    private readonly EventFd _stop = new();
    private readonly EventFd _wake = new();
    private readonly BootTimer _timer = new();
    private readonly RouteMonitor _routes;
    private readonly OffloadSwitches _offloads;
    private readonly Transmitter _configurationTransmitter;
    private LinkMonitor _links;
    private readonly DeviceMetrics _metrics;
    private readonly List<Thread> _threads = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Outbox _configurationOutbox = new();
    private readonly ConcurrentQueue<Task> _requests = new();
    private readonly Offloads _wanted;
    private volatile Binding _binding;
    private uint _mark;
    private bool _disposed;

    private WireGuardDevice(DeviceOptions options, TunDevice tun, UdpSocketPair sockets, LinkMonitor links, RouteMonitor routes)
    {
        _tun = tun;
        _links = links;
        _routes = routes;
        _offloads = new OffloadSwitches(options.Report);
        _offloads.SwitchOn(Has(tun.Offloads) | Has(sockets));
        _core = new ProtocolCore(BootClock.Instance, RandomNumberGenerator.Create(), _wake.Signal, options.Versions) { Mtu = tun.GetMtu() };
        _metrics = new DeviceMetrics(tun.Name, _core, _offloads, options.PeerSeries);
        _configurationTransmitter = new Transmitter(_core, _offloads, tun.Queues[0]);
        _wanted = options.Wanted;
        _binding = new Binding(this, sockets);
        for (var lane = 0; lane < tun.Queues.Count; lane++)
        {
            var (number, queue) = (lane, tun.Queues[lane]);
            StartThread("tun", () => CarryOut(number % _binding.Sockets.Length, queue));
        }

        StartThread("control", Control);
    }

    /// <summary>Name of the interface, as the kernel gave it.</summary>
    public string Name => _tun.Name;

    /// <summary>Name of the implementation of ChaCha20-Poly1305 that this process uses.</summary>
    public static string Aead => AeadChoice.InUse.Name;

    /// <summary>Completes when the device has ended: disposed of, or its interface deleted.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Makes the interface (or takes up a persistent one), binds the port, and starts.</summary>
    /// <exception cref="LinuxException">The interface or the port cannot be had; says why.</exception>
    /// <exception cref="PlatformNotSupportedException">The cryptography cannot be had, or not as <c>WGMESH_AEAD</c> asks for; says why.</exception>
    public static WireGuardDevice Open(DeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        AeadChoice.Require();
        foreach (var passedOver in AeadChoice.Current.PassedOver)
        {
            options.Report?.Invoke(passedOver);
        }

        var tun = TunDevice.Open(options.Name, options.Lanes, OfTun(options.Wanted));
        UdpSocketPair? sockets = null;
        LinkMonitor? links = null;
        RouteMonitor? routes = null;
        try
        {
            sockets = Bind(options.ListenPort, 0, options.Lanes, options.Wanted);
            links = LinkMonitor.Open(tun);
            routes = RouteMonitor.Open();
            return new WireGuardDevice(options, tun, sockets, links, routes);
        }
        catch
        {
            routes?.Dispose();
            links?.Dispose();
            sockets?.Dispose();
            tun.Dispose();
            throw;
        }
    }

    /// <summary>How many series an instrument of the meter may have, those included that are gone and take up room for a while.</summary>
    /// <param name="instrument">Its name.</param>
    /// <param name="peerSeries"><see cref="DeviceOptions.PeerSeries"/> of the device.</param>
    public static int MostSeries(string instrument, int peerSeries) => PeerMetrics.Places(instrument, peerSeries);

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
            if ((_core.Validate(update) ?? Rebind(update)) is { } error)
            {
                return error;
            }

            var peersChanged = _core.Apply(update, Now, _configurationOutbox);
            _configurationTransmitter.Transmit(_configurationOutbox, _binding.Sockets[0]);
            if (peersChanged)
            {
                _metrics.PeersChanged();
            }

            return null;
        }
    }

    /// <summary>Configuration and statistics at this moment.</summary>
    public DeviceSnapshot Snapshot()
    {
        lock (_configuration) // a key that is being replaced is wiped
        {
            return new DeviceSnapshot
            {
                Name = Name,
                PrivateKey = _core.Identity is { } identity ? new SecretKey(identity.PrivateKey.Bytes) : null,
                PublicKey = _core.Identity?.PublicKey,
                ListenPort = _binding.Port,
                FirewallMark = _mark,
                Mtu = _core.Mtu,
                ProtocolVersions = [.. _core.Versions.Select(version => version.Number).Order()],
                Peers = [.. _core.Peers.Select(peer => PeerSnapshot.Of(peer, _core))],
            };
        }
    }

    /// <summary>Packets and messages dropped for a reason that no peer can be blamed for.</summary>
    internal long Drops(DropReason reason) => _core.Drops[reason];

    /// <summary>Drops of all peers.</summary>
    internal long PeerDrops(DropReason reason) => _core.UnorderedPeers.Sum(peer => peer.Counters.Drops[reason]);

    /// <summary>Drops for whatever reason, those of all peers included.</summary>
    internal long AllDrops() => _core.Drops.Total + _core.UnorderedPeers.Sum(peer => peer.Counters.Drops.Total);

    internal Offloads OffloadsInUse => _offloads.On;

    internal long OffloadRefusals(Offloads offload) => _offloads.Refusals(offload);

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
        _routes.Dispose();
        _stop.Dispose();
        _wake.Dispose();
        _timer.Dispose();
        _ended.TrySetResult();
    }

    private static Instant Now => Instant.Now(BootClock.Instance);

    private static UdpSocketPair Bind(ushort port, uint mark, int lanes, Offloads wanted)
    {
        var sockets = UdpSocketPair.Bind(port, mark, lanes);
        foreach (var socket in sockets.All)
        {
            socket.CanSegment &= wanted.HasFlag(Offloads.UdpGso);
            if (!wanted.HasFlag(Offloads.UdpGro))
            {
                socket.StopCoalescing();
            }
        }

        return sockets;
    }

    private static TunOffloads OfTun(Offloads wanted) =>
        (wanted.HasFlag(Offloads.TunTso) ? TunOffloads.Tso4 | TunOffloads.Tso6 : 0)
        | (wanted.HasFlag(Offloads.TunUso) ? TunOffloads.Uso4 | TunOffloads.Uso6 : 0);

    private static Offloads Has(TunOffloads tun) =>
        (tun.HasFlag(TunOffloads.Tso4) ? Offloads.TunTso : 0) | (tun.HasFlag(TunOffloads.Uso4) ? Offloads.TunUso : 0);

    private static Offloads Has(UdpSocketPair sockets) =>
        (sockets.All.All(socket => socket.CanSegment) ? Offloads.UdpGso : 0) | (sockets.All.All(socket => socket.CanCoalesce) ? Offloads.UdpGro : 0);

    private DeviceError? Rebind(DeviceUpdate update)
    {
        var mark = update.FirewallMark ?? _mark;
        try
        {
            if (update.ListenPort is { } port && port != _binding.Port)
            {
                var sockets = OnControlThread(() => Bind(port, mark, _binding.Sockets.Length, _wanted));
                var old = _binding;
                _binding = new Binding(this, sockets);
                old.Dispose();
            }
            else if (mark != _mark)
            {
                _binding.SetMark(mark);
            }
        }
        catch (LinuxException e)
        {
            return new DeviceError(e.Errno, e.Message);
        }

        if (mark != _mark)
        {
            _core.ForgetLocalAddresses(Everywhere); // rules may route the new mark another way
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

    // Handshakes, deadlines, and what the kernel says of the interface.
    private void Control()
    {
        Span<byte> message = stackalloc byte[Messages.InitiationLength];
        var outbox = new Outbox();
        var transmitter = new Transmitter(_core, _offloads, _tun.Queues[0]);
        var events = new List<LinkEvent>();
        var rerouted = new HashSet<Prefix>();
        while (true)
        {
            for (var left = Budget; left > 0 && _handshakes.TryDequeue(message, out var type, out var from, out var length, out var backlog); left--)
            {
                _core.ReceiveHandshake(type, message[..length], from, backlog, Now, outbox);
                transmitter.Transmit(outbox, _binding.Sockets[0]);
            }

            _core.Advance(Now, outbox);
            transmitter.Transmit(outbox, _binding.Sockets[0]);
            _timer.Set(_core.NextDeadline.Nanoseconds);
            var ready = Poll.Wait(
                [_wake.Descriptor, _stop.Descriptor, _links.Descriptor, _timer.Descriptor, _routes.Descriptor],
                _handshakes.IsEmpty ? Timeout.InfiniteTimeSpan : TimeSpan.Zero);
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

            if ((ready & 16) != 0)
            {
                rerouted.Clear();
                _routes.Read(rerouted);
                _core.ForgetLocalAddresses(rerouted);
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
            if (events.Exists(happened => happened is LinkEvent.LinkGone or LinkEvent.Resync))
            {
                // perhaps it was ours, and has gone to another namespace, where it is to be followed
                var links = LinkMonitor.Open(_tun);
                _links.Dispose();
                _links = links;
            }

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

    private void CarryOut(int lane, TunQueue queue)
    {
        var outbound = new OutboundLane(_core, queue, new Transmitter(_core, _offloads, queue), () => _binding.Sockets[lane]);
        if (!outbound.Run(_stop.Descriptor))
        {
            _ended.TrySetResult(); // the interface is gone
        }
    }

    /// <summary>The sockets of one port with the threads that receive from them.</summary>
    private sealed class Binding : IDisposable
    {
        private readonly EventFd _unbound = new();
        private readonly List<Thread> _threads = [];
        private readonly UdpSocketPair _pair;

        public Binding(WireGuardDevice device, UdpSocketPair pair)
        {
            _pair = pair;
            Sockets = [.. Enumerable.Range(0, pair.Lanes).Select(lane => new LaneSockets(pair.IPv4?[lane], pair.IPv6?[lane]))];
            for (var lane = 0; lane < pair.Lanes; lane++)
            {
                StartLane(device, lane, Sockets[lane].IPv4);
                StartLane(device, lane, Sockets[lane].IPv6);
            }
        }

        public LaneSockets[] Sockets { get; }

        public ushort Port => _pair.Port;

        public void SetMark(uint mark) => _pair.SetMark(mark);

        public void Dispose()
        {
            _unbound.Signal();
            foreach (var thread in _threads)
            {
                thread.Join();
            }

            _pair.Dispose();
            _unbound.Dispose();
        }

        private void StartLane(WireGuardDevice device, int lane, UdpSocket? socket)
        {
            if (socket is null)
            {
                return;
            }

            var queue = device._tun.Queues[lane % device._tun.Queues.Count];
            var inbound = new InboundLane(
                device._core, socket, Sockets[lane], queue, new Transmitter(device._core, device._offloads, queue), device._offloads, device._handshakes, device._wake.Signal);
            var thread = new Thread(() => inbound.Run(device._stop.Descriptor, _unbound.Descriptor))
            {
                Name = $"{device.Name}/{(socket.IsIPv6 ? "udp6" : "udp4")}",
                IsBackground = true,
            };
            _threads.Add(thread);
            thread.Start();
        }
    }
}
