using System.Diagnostics;
using System.Net;
using WgMesh.Engine;
using WgMesh.Engine.Linux;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>
/// A host between two others, through which their UDP goes in some <see cref="Weather"/>: what <c>tc netem</c> does where the kernel has it.
/// It takes runs and hands on runs (UDP_GRO, UDP_SEGMENT), so that an end receives runs in which datagrams are missing, double, or in
/// another order.
/// </summary>
internal sealed class StormyRoad : IDisposable
{
    private const int Number = 250;

    private readonly NetNamespace _host = new();
    private readonly EventFd _stop = new();
    private readonly List<UdpSocket> _sockets = [];
    private readonly List<Thread> _threads = [];

    /// <summary>Both listen already; the left one is told to go by this road, and the right one will answer by it.</summary>
    public StormyRoad(NamespaceHost left, NamespaceHost right, Weather weather)
    {
        try
        {
            left.Lan.Wire.Plug(_host, "eth0");
            _host.Ip($"addr add {left.Lan.Prefix(Number, false)} dev eth0");
            var (facingLeft, facingRight) = (Bind(), Bind());
            LeftToRight = new Way(facingLeft, facingRight, EndpointOf(right), weather, seed: 1);
            RightToLeft = new Way(facingRight, facingLeft, EndpointOf(left), weather, seed: 2);
            left.SetPeer(right, "endpoint", $"{left.Lan.Address(Number, false)}:{facingLeft.Port}");
            foreach (var way in new[] { LeftToRight, RightToLeft })
            {
                var thread = new Thread(() => way.Run(_stop.Descriptor)) { IsBackground = true };
                _threads.Add(thread);
                thread.Start();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Way LeftToRight { get; }

    public Way RightToLeft { get; }

    public void Dispose()
    {
        _stop.Signal();
        _threads.ForEach(thread => thread.Join());
        _sockets.ForEach(socket => socket.Dispose());
        _stop.Dispose();
        _host.Dispose();
    }

    private static Endpoint EndpointOf(NamespaceHost host) => Endpoint.From(IPEndPoint.Parse(host.Endpoint(ipv6: false)));

    private UdpSocket Bind()
    {
        var socket = _host.Run(() => UdpSocket.Bind(isIPv6: false, 0));
        _sockets.Add(socket);
        return socket;
    }

    /// <summary>One direction, which is one thread's. Its counters may be read by any.</summary>
    internal sealed class Way(UdpSocket from, UdpSocket to, Endpoint destination, Weather weather, int seed)
    {
        private readonly Random _random = new(seed);
        private readonly UdpReceiveBatch _batch = new();
        private readonly Queue<(long Due, byte[] Datagram, byte TrafficClass)> _waiting = new(); // all wait equally long
        private readonly byte[] _memory = new byte[256 << 10];
        private readonly UdpRun[] _runs = new UdpRun[UdpSendBatch.Capacity];
        private readonly UdpSendBatch _scratch = new();
        private int _count, _used;
        private long _lost, _doubled, _overtakes;

        /// <summary>Datagrams of which no copy arrives.</summary>
        public long Lost => Volatile.Read(ref _lost);

        /// <summary>Datagrams of which two copies arrive.</summary>
        public long Doubled => Volatile.Read(ref _doubled);

        /// <summary>Datagrams that left while earlier ones waited.</summary>
        public long Overtakes => Volatile.Read(ref _overtakes);

        public void Run(Descriptor stop)
        {
            ReadOnlySpan<Descriptor> wait = [from.Descriptor, stop];
            while ((Poll.Wait(wait, UntilNextIsDue()) & 2) == 0)
            {
                while (from.Receive(_batch, out _) > 0)
                {
                    for (var i = 0; i < _batch.Count; i++)
                    {
                        for (var at = 0; at < _batch.Length(i); at += _batch.SegmentSize(i))
                        {
                            Meet(_batch.Buffer.AsSpan(_batch.Offset(i) + at, Math.Min(_batch.SegmentSize(i), _batch.Length(i) - at)), _batch.TrafficClass(i));
                        }
                    }

                    LeaveWhatIsDue();
                    Flush();
                }

                LeaveWhatIsDue();
                Flush();
            }
        }

        private TimeSpan UntilNextIsDue()
        {
            if (_waiting.Count == 0)
            {
                return Timeout.InfiniteTimeSpan;
            }

            var left = _waiting.Peek().Due - Stopwatch.GetTimestamp();
            return left > 0 ? Stopwatch.GetElapsedTime(0, left) : TimeSpan.Zero;
        }

        private void Meet(ReadOnlySpan<byte> datagram, byte trafficClass)
        {
            var copies = 1 + (_random.NextDouble() < weather.Duplicate ? 1 : 0) - (_random.NextDouble() < weather.Loss ? 1 : 0);
            Count(ref _lost, copies == 0);
            Count(ref _doubled, copies == 2);
            for (; copies > 0; copies--)
            {
                if (weather.Overtake > 0 && _random.NextDouble() >= weather.Overtake)
                {
                    _waiting.Enqueue((Stopwatch.GetTimestamp() + (long)(Weather.Delay.TotalSeconds * Stopwatch.Frequency), datagram.ToArray(), trafficClass));
                }
                else
                {
                    Count(ref _overtakes, _waiting.Count > 0);
                    Leave(datagram, trafficClass);
                }
            }
        }

        private void LeaveWhatIsDue()
        {
            while (_waiting.Count > 0 && _waiting.Peek().Due <= Stopwatch.GetTimestamp())
            {
                var (_, datagram, trafficClass) = _waiting.Dequeue();
                Leave(datagram, trafficClass);
            }
        }

        private void Leave(ReadOnlySpan<byte> datagram, byte trafficClass)
        {
            var joins = _count > 0 && CanJoin(_runs[_count - 1], datagram.Length, trafficClass);
            if (_used + datagram.Length > _memory.Length || (!joins && _count == _runs.Length))
            {
                Flush();
                joins = false;
            }

            datagram.CopyTo(_memory.AsSpan(_used));
            if (joins)
            {
                ref var run = ref _runs[_count - 1];
                run = run with { Length = run.Length + datagram.Length };
            }
            else
            {
                _runs[_count++] = new UdpRun(_used, datagram.Length, datagram.Length, destination, trafficClass);
            }

            _used += datagram.Length;
        }

        private static bool CanJoin(in UdpRun run, int length, byte trafficClass) =>
            run.Length % run.SegmentSize == 0 // a shorter one was the last
            && length <= run.SegmentSize
            && run.Length + length <= UdpRun.MaximumLength
            && run.Length < run.SegmentSize * UdpRun.MaximumSegments
            && run.TrafficClass == trafficClass;

        private void Flush()
        {
            for (var at = 0; at < _count; at++)
            {
                at += to.Send(_memory, _runs.AsSpan(at, _count - at), _scratch, out _);
                if (at < _count)
                {
                    Interlocked.Add(ref _lost, (_runs[at].Length + _runs[at].SegmentSize - 1) / _runs[at].SegmentSize);
                }
            }

            _count = _used = 0;
        }

        private static void Count(ref long counter, bool happened)
        {
            if (happened)
            {
                Interlocked.Increment(ref counter);
            }
        }
    }
}
