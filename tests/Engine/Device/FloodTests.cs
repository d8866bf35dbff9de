using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Device;

/// <summary>
/// What strangers send, or programs for a peer that is gone, costs neither memory nor those who have a session. A flood goes on for as long
/// as others ping, and waits only for the device to have counted what it got: what the kernel has no room for is not the device's to lose.
/// </summary>
[Collection(Alone.Name)]
[Trait("needs", "system")]
public sealed class FloodTests : IDisposable
{
    private const int Pings = 200;

    // In a burst: the smallest object for each datagram of the smallest burst would be 24 bytes for each of 100.
    private const long LittleAllocated = 1_000;
    private const long LittleResident = 16 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DevicePair _pair = new();

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData(nameof(Garbage))]
    [InlineData(nameof(ForgedPackets))]
    [InlineData(nameof(Initiations))]
    [InlineData(nameof(FewInitiations))]
    [InlineData(nameof(PacketsForADeadPeer))]
    public async Task A_flood_changes_neither_memory_nor_whether_the_living_are_answered(string kind)
    {
        _pair.Start();
        _pair.PingRight();
        using var flood = kind switch
        {
            nameof(Garbage) => Garbage(),
            nameof(ForgedPackets) => ForgedPackets(),
            nameof(Initiations) => Initiations(Flood.UsualBurst),
            nameof(FewInitiations) => FewInitiations(),
            _ => PacketsForADeadPeer(),
        };
        flood.Send(flood.Least); // so that everything is compiled, and what is taken once is taken
        var resident = Resident();
        var allocated = new List<long>();

        var pings = Task.Factory.StartNew(() => _pair.LeftHost.Exec("ping", "-q", "-c", $"{Pings}", "-i", "0.01", "-W", "60", "10.0.0.2"), TaskCreationOptions.LongRunning);
        for (var sent = 0; sent < flood.Least || !pings.IsCompleted; sent += flood.Burst)
        {
            var before = AllocatedByOthers();
            flood.Send(flood.Burst);
            allocated.Add(AllocatedByOthers() - before);
        }

        // the median: what runs the tests, and the program that pings, allocate a lot at a time, and not in every burst
        allocated.Sort();
        Assert.InRange(allocated[allocated.Count / 2], 0, LittleAllocated);
        Assert.InRange(Resident() - resident, long.MinValue, LittleResident);
        Assert.Contains($"{Pings} packets transmitted, {Pings} received", await pings, StringComparison.Ordinal);
    }

    /// <summary>Everything that is wrong at once: no type, types that do not fit the length, and initiations, responses, cookies and packets that name nobody.</summary>
    private Flood Garbage()
    {
        var random = new Random(1);
        int[] lengths = [Messages.InitiationLength, Messages.ResponseLength, Messages.CookieReplyLength, 40, 300, 1400];
        return FromOutside([.. Enumerable.Range(0, 36).Select(i => Message((MessageType)(i % 6), lengths[i / 6], random))]);
    }

    /// <summary>Packets under a session's index, which anybody on the way can read, that nobody with its key has sealed.</summary>
    private Flood ForgedPackets()
    {
        using var ear = _pair.RightHost.Run(() => new Socket(AddressFamily.Packet, SocketType.Raw, (ProtocolType)0x0300)); // ETH_P_ALL, big-endian
        ear.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        _pair.PingRight();
        var port = _pair.Left.Snapshot().ListenPort;
        var frame = new byte[2000];
        const int Udp = 14 + 20, Payload = Udp + 8;
        do
        {
            ear.Receive(frame);
        }
        while (frame[14] != 0x45 || frame[23] != 17 || BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(Udp + 2)) != port || frame[Payload] != (byte)MessageType.Transport);

        var forged = Message(MessageType.Transport, 1400, new Random(1));
        frame.AsSpan(Payload + 4, 4).CopyTo(forged.AsSpan(4));
        BinaryPrimitives.WriteUInt64LittleEndian(forged.AsSpan(8), 1_000_000);
        return FromOutside([forged]);
    }

    /// <summary>Initiations whose mac1 is right, for that takes the public key alone, and whose rest is noise.</summary>
    private Flood Initiations(int burst)
    {
        var random = new Random(1);
        var macs = new CookieJar(_pair.Left.Snapshot().PublicKey!.Value);
        var messages = Enumerable.Range(0, 64).Select(_ => Message(MessageType.Initiation, Messages.InitiationLength, random)).ToArray();
        foreach (var message in messages)
        {
            macs.WriteMacs(message, default);
        }

        return FromOutside(messages, burst);
    }

    /// <summary>So few at a time that the device does not count itself under load, and each costs it an agreement.</summary>
    private Flood FewInitiations() => Initiations(ProtocolCore.LoadThreshold - 28);

    private Flood PacketsForADeadPeer()
    {
        using var key = new StaticIdentity(new SecretKey(RandomNumberGenerator.GetBytes(32)));
        Assert.True(Prefix.TryParse("10.0.0.9/32", out var dead));
        var peer = new PeerUpdate { PublicKey = key.PublicKey, Endpoint = To("192.0.2.99", 1), AllowedIps = [new(dead)] };
        Assert.Null(_pair.Left.Apply(new DeviceUpdate { Peers = [peer] }));
        var sender = _pair.LeftHost.Run(() => UdpSocket.Bind(false, 0));
        return new Flood(sender, To("10.0.0.9", 9), [new byte[1200]], () => _pair.Left.PeerDrops(DropReason.NoSession), Limits.StagedPackets);
    }

    private Flood FromOutside(byte[][] messages, int burst = Flood.UsualBurst) =>
        new(_pair.RightHost.Run(() => UdpSocket.Bind(false, 0)), To("192.0.2.1", _pair.Left.Snapshot().ListenPort), messages, _pair.Left.AllDrops) { Burst = burst };

    private static byte[] Message(MessageType type, int length, Random random)
    {
        var message = new byte[length];
        random.NextBytes(message);
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)type);
        return message;
    }

    private static Endpoint To(string address, ushort port) => Endpoint.From(new IPEndPoint(IPAddress.Parse(address), port));

    // by the devices, that is: this thread sends and counts
    private static long AllocatedByOthers() => GC.GetTotalAllocatedBytes(precise: true) - GC.GetAllocatedBytesForCurrentThread();

    // Without garbage: this thread's may become as large as the processor's cache before it is collected.
    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return ProcessStatus.Memory(Environment.ProcessId).Now;
    }

    /// <summary>Sends bursts of the same few datagrams, each when the device has counted the one before.</summary>
    /// <param name="sender">Disposed of with the flood.</param>
    /// <param name="to">Where they go.</param>
    /// <param name="messages">The datagrams.</param>
    /// <param name="dropped">How many the device has counted.</param>
    /// <param name="waiting">How many it may keep without counting them.</param>
    private sealed class Flood(UdpSocket sender, Endpoint to, byte[][] messages, Func<long> dropped, int waiting = 0) : IDisposable
    {
        /// <summary>Fits the interface's queue and the sockets' buffers, and is more than makes a device count itself under load.</summary>
        public const int UsualBurst = 400;

        private readonly byte[] _memory = [.. messages.SelectMany(message => message)];
        private readonly UdpRun[] _run = new UdpRun[1];
        private readonly UdpSendBatch _batch = new();
        private readonly long _before = dropped();
        private long _sent;

        public int Burst { get; init; } = UsualBurst;

        /// <summary>How many make a flood, in some seconds.</summary>
        public int Least => 50 * Burst;

        public void Send(int count)
        {
            for (; count > 0; count -= Burst)
            {
                for (int i = 0, offset = 0; i < Burst; i++)
                {
                    var length = messages[i % messages.Length].Length;
                    offset = i % messages.Length == 0 ? 0 : offset;
                    _run[0] = new UdpRun(offset, length, length, new UdpPath(to), 0);
                    offset += length;
                    Assert.True(sender.Send(_memory, _run, _batch, out _) == 1); // Assert.Equal would leave garbage each time
                }

                _sent += Burst;
                var end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
                while (dropped() - _before < _sent - waiting)
                {
                    Assert.True(Environment.TickCount64 < end, "What was sent was not counted.");
                    Thread.Sleep(1);
                }
            }
        }

        public void Dispose() => sender.Dispose();
    }
}
