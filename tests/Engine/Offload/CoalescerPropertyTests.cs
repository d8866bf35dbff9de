using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Offload;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Offload;

/// <summary>Whatever comes, the kernel gets the same packets, and those of one flow in the same order.</summary>
public sealed class CoalescerPropertyTests
{
    [Fact]
    public void What_was_segmented_comes_together_again() =>
        Prop.ForAll(
            (from isIPv6 in Gen.Elements(true, false)
             from isTcp in Gen.Elements(true, false)
             from size in Gen.Choose(1, 3_000)
             from count in Gen.Choose(2, 64)
             from last in Gen.Choose(1, size)
             from seed in Gen.Choose(0, int.MaxValue)
             from options in Gen.Choose(0, 10)
             where ((count - 1) * size) + last <= 65_000
             select (isIPv6, isTcp, size, length: ((count - 1) * size) + last, seed, options)).ToArbitrary(),
            it =>
            {
                var whole = new TestPacket
                {
                    IsIPv6 = it.isIPv6,
                    IsTcp = it.isTcp,
                    Identification = (ushort)it.seed,
                    Sequence = (uint)it.seed * 3,
                    Flags = (byte)(TestPacket.Ack | (it.seed & (TestPacket.Push | TestPacket.EcnEcho | TestPacket.Cwr))),
                    TrafficClass = (byte)it.seed,
                    TcpOptions = TestPacket.Bytes(it.options * 4, it.seed),
                    Payload = TestPacket.Bytes(it.length, it.seed),
                };
                var gso = whole.Gso | (whole.IsTcp && (whole.Flags & TestPacket.Cwr) != 0 ? VirtioGso.Ecn : 0);
                var (header, packet) = whole.BuildPartial(gso, it.size);
                var gathering = new Gathering(whole.Segments(it.size));
                Assert.Equal(1, gathering.Coalescer.Count);
                gathering.AssertWritten(0, header, packet);
                return true;
            }).Check(Properties.Config(200));

    [Theory]
    [InlineData(3, 40)]     // few flows: long runs
    [InlineData(3_000, 10)] // more than the table remembers
    public void Any_batch_of_flows_arrives_as_it_was_sent(int flows, int tests) =>
        Prop.ForAll(Batches(flows).ToArbitrary(), packets =>
        {
            var gathering = new Gathering(packets);
            var received = Enumerable.Range(0, gathering.Coalescer.Count).SelectMany(gathering.Received).ToArray();
            Assert.Equal(packets.Length, received.Length);
            Assert.Equal(packets.Length, gathering.Sizes.Sum());
            foreach (var (sent, got) in packets.GroupBy(Flow).OrderBy(flow => flow.Key).Zip(received.GroupBy(Flow).OrderBy(flow => flow.Key)))
            {
                Assert.Equal(sent, got);
            }

            Assert.Equal(packets.Select(Convert.ToHexString).Order(), Enumerable.Range(0, gathering.Coalescer.Count).SelectMany(gathering.WrittenOneByOne).Select(Convert.ToHexString).Order());
            return true;
        }).Check(Properties.Config(tests));

    [Fact]
    public void Bytes_of_any_kind_come_out_as_they_went_in() =>
        Prop.ForAll(Noise().ToArbitrary(), packets =>
        {
            var gathering = new Gathering(packets);
            var before = gathering.Buffer.ToArray();
            for (var group = 0; group < gathering.Coalescer.Count; group++)
            {
                _ = gathering.Written(group);
            }

            var written = Enumerable.Range(0, gathering.Coalescer.Count).SelectMany(gathering.WrittenOneByOne);
            Assert.Equal(packets.Select(Convert.ToHexString).Order(), written.Select(Convert.ToHexString).Order());
            Assert.Equal(before, gathering.Buffer);
            return true;
        }).Check(Properties.Config(1000));

    [Fact]
    public void Gathering_allocates_nothing()
    {
        var whole = new TestPacket { Payload = TestPacket.Bytes(40_000) };
        byte[][] packets = [.. whole.Segments(1380), .. (whole with { IsTcp = false, IsIPv6 = true }).Segments(1000)];
        var coalescer = new Coalescer(packets.Length);
        var buffer = packets.SelectMany(packet => packet).ToArray();
        Assert.Equal(0, ThreadAllocations.Of(Run));

        void Run()
        {
            coalescer.Clear();
            var at = 0;
            foreach (var packet in packets)
            {
                coalescer.Add(buffer, at, packet.Length);
                at += packet.Length;
            }

            Assert.True(coalescer.Count == 2);
            for (var group = 0; group < coalescer.Count; group++)
            {
                _ = coalescer.Finish(group);
                _ = coalescer.Slices(group);
                coalescer.Restore(group);
                _ = coalescer.Singles(group);
            }
        }
    }

    /// <summary>Flows that go on as flows do, with everything between that may come between.</summary>
    private static Gen<byte[][]> Batches(int flows) =>
        from steps in
            (from flow in Gen.Choose(1, flows)
             from what in Gen.Frequency((80, Gen.Constant(0)), (20, Gen.Choose(1, 11)))
             from repeat in Gen.Choose(1, 8)
             select (flow, what, repeat)).ArrayOf(120)
        select Build(steps);

    private static byte[][] Build((int Flow, int What, int Repeat)[] steps)
    {
        var states = new Dictionary<int, TestPacket>();
        var packets = new List<byte[]>();
        foreach (var (flow, what, repeat) in steps)
        {
            var state = states.GetValueOrDefault(flow) ?? new TestPacket
            {
                IsIPv6 = (flow & 1) == 1,
                IsTcp = flow % 3 != 0,
                SourcePort = (ushort)flow,
                Fragmentation = (ushort)(flow % 4 == 0 ? 0 : 0x4000),
                Sequence = uint.MaxValue - 5000,
                Payload = TestPacket.Bytes(100 + (flow % 7 * 200), flow),
            };
            for (var i = 0; i < repeat; i++)
            {
                var packet = what switch
                {
                    1 => state with { Payload = [] },
                    2 => state with { Flags = TestPacket.Ack | TestPacket.Push },
                    3 => state with { Payload = [1, 2, 3] },
                    4 => state with { TrafficClass = 3 },
                    5 => state with { Flags = TestPacket.Ack | TestPacket.Fin },
                    6 => state with { Flags = TestPacket.Ack | TestPacket.Cwr },
                    7 => state with { Sequence = state.Sequence + 9999 },
                    8 => state with { Payload = TestPacket.Bytes(1400, i) },
                    9 => state with { Acknowledgement = state.Acknowledgement + 5 },
                    10 => state with { TimeToLive = 9 },
                    _ => state,
                };
                var bytes = packet.Build();
                if (what == 11)
                {
                    bytes[^1] ^= 0x55; // arrives damaged
                }

                packets.Add(bytes);
                state = packet with
                {
                    Identification = (ushort)(packet.Identification + 1),
                    Sequence = packet.Sequence + (uint)packet.Payload.Length,
                    Payload = state.Payload,
                    Flags = state.Flags,
                    TrafficClass = state.TrafficClass,
                    TimeToLive = state.TimeToLive,
                };
            }

            states[flow] = state;
        }

        return [.. packets];
    }

    /// <summary>Packets as a peer could make them up: headers that state anything, twice each so that there is something to gather.</summary>
    private static Gen<byte[][]> Noise()
    {
        var one =
            from isIPv6 in Gen.Elements(true, false)
            from isTcp in Gen.Elements(true, false)
            from payload in Gen.Choose(0, 100)
            from changes in Gen.Choose(0, 90).Two().ListOf()
            from cut in Gen.Frequency((5, Gen.Constant(0)), (1, Gen.Choose(0, 60)))
            select Mutated(new TestPacket { IsIPv6 = isIPv6, IsTcp = isTcp, Payload = TestPacket.Bytes(payload) }.Build(), changes, cut);
        var random = Gen.Choose(0, 100).SelectMany(length => Gen.Choose(0, int.MaxValue).Select(seed => TestPacket.Bytes(length, seed)));
        return Gen.OneOf(one, random).ListOf().Select(packets => packets.SelectMany(packet => (byte[][])[packet, packet.ToArray()]).ToArray());
    }

    private static byte[] Mutated(byte[] packet, IEnumerable<(int At, int Value)> changes, int cut)
    {
        foreach (var (at, value) in changes.Take(3))
        {
            packet[at % packet.Length] = (byte)value;
        }

        return packet[..Math.Max(0, packet.Length - cut)];
    }

    private static string Flow(byte[] packet) =>
        packet[0] >> 4 == 6 ? $"6 {packet[6]} {Convert.ToHexString(packet, 40, 4)}" : $"4 {packet[9]} {Convert.ToHexString(packet, 20, 4)}";
}
