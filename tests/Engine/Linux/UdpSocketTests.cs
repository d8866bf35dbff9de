using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Linux;

public sealed class UdpSocketTests : IDisposable
{
    private readonly UdpSocketPair _left = UdpSocketPair.Bind(0);
    private readonly UdpSocketPair _right = UdpSocketPair.Bind(0);

    public static TheoryData<bool> Families => [false, true];

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Datagrams_go_both_ways_and_name_their_sender_and_the_address_that_they_came_to(string address)
    {
        var (toLeft, toRight) = (Datagrams.At(address, _left.Port), Datagrams.At(address, _right.Port));
        var (left, right) = toLeft.IsIPv6 ? (_left.IPv6![0], _right.IPv6![0]) : (_left.IPv4![0], _right.IPv4![0]);

        Assert.Equal(Errno.None, left.Send("abc"u8, toRight));
        var received = right.ReceiveOne();
        Assert.Equal("abc", received.Text);
        Assert.Equal(new UdpPath(toLeft, Datagrams.Local(address)), received.From);

        Assert.Equal(Errno.None, right.Send([], received.From));
        received = left.ReceiveOne();
        Assert.Equal("", received.Text);
        Assert.Equal(new UdpPath(toRight, Datagrams.Local(address)), received.From);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_run_arrives_as_its_datagrams(bool isIPv6)
    {
        var (from, to) = Sockets(isIPv6);
        to.StopCoalescing();
        var run = Datagrams.Numbered((10 * 1400) + 333, 1400);
        Assert.Equal(Errno.None, from.SendRun(run, 1400, Self(to)));
        var received = to.Receive(11);
        Assert.Equal(run.Chunk(1400), received.Select(message => message.Bytes));
        Assert.All(received, message => Assert.Equal(message.Bytes.Length, message.SegmentSize));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_run_is_received_as_one_message_that_says_the_size_and_the_address_of_ours(bool isIPv6)
    {
        var (from, to) = Sockets(isIPv6);
        Assert.True(from.CanSegment);
        Assert.True(to.CanCoalesce);
        var run = Datagrams.Numbered((10 * 1400) + 333, 1400);
        var local = Datagrams.Local(isIPv6 ? "::1" : "127.0.0.1");
        Assert.Equal(Errno.None, from.SendRun(run, 1400, new UdpPath(Self(to), local), 0x02));
        var received = Assert.Single(to.Receive(11));
        Assert.Equal(run, received.Bytes);
        Assert.Equal(1400, received.SegmentSize);
        Assert.Equal(0x02, received.TrafficClass);
        Assert.Equal(new UdpPath(Self(from), local), received.From);
    }

    [Fact]
    public void A_batch_takes_anything_after_anything()
    {
        var batch = new UdpReceiveBatch();
        foreach (var isIPv6 in new[] { false, true, false })
        {
            var (from, to) = Sockets(isIPv6);
            foreach (var segmentSize in new[] { 100, 10, 100 })
            {
                Assert.Equal(Errno.None, from.SendRun(new byte[100], segmentSize, Self(to), 3));
                Assert.Equal(1u, Poll.Wait([to.Descriptor], Datagrams.Patience));
                Assert.Equal(1, to.Receive(batch, out _));
                Assert.Equal((1, 100, segmentSize, 3), (batch.Count, batch.Length(0), batch.SegmentSize(0), batch.TrafficClass(0)));
                Assert.Equal(new UdpPath(Self(from), Datagrams.Local(isIPv6 ? "::1" : "127.0.0.1")), batch.From(0));
            }
        }
    }

    [Theory]
    [InlineData(false, UdpRun.MaximumSegments, 1000)]
    [InlineData(true, UdpRun.MaximumSegments, 1000)]
    [InlineData(false, 2, 60_000)]
    [InlineData(true, 2, 60_000)]
    public void A_run_may_be_as_long_as_its_limits_say(bool isIPv6, int segments, int segmentSize)
    {
        var (from, to) = Sockets(isIPv6);
        var run = Datagrams.Numbered(Math.Min(segments * segmentSize, UdpRun.MaximumLength), segmentSize);
        Assert.Equal(Errno.None, from.SendRun(run, segmentSize, Self(to)));
        Assert.Equal(run, to.Receive(segments).SelectMany(message => message.Bytes));
        Assert.Equal(Errno.EMSGSIZE, from.SendRun(new byte[UdpRun.MaximumLength + 21], 60_000, Self(to)));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void More_runs_than_one_system_call_takes_go_in_order(bool isIPv6)
    {
        var (from, to) = Sockets(isIPv6);
        const int Count = (2 * UdpSendBatch.Capacity) + 5;
        var runs = Enumerable.Range(0, Count).Select(i => new UdpRun(i, 1, 1, Self(to), 0)).ToArray();
        Assert.Equal(Count, from.Send([.. Enumerable.Range(0, Count).Select(i => (byte)i)], runs, new UdpSendBatch(), out var errno));
        Assert.Equal(Errno.None, errno);
        Assert.Equal(Enumerable.Range(0, Count), to.Receive(Count).SelectMany(message => message.Bytes).Select(b => (int)b));
    }

    [Fact]
    public void A_run_that_fails_is_told_with_its_reason_and_the_others_go_exactly_once()
    {
        var (from, to) = Sockets(isIPv6: false);
        var memory = new byte[70_000];
        var runs = Enumerable.Range(0, 9).Select(i => new UdpRun(0, 10 + i, 10 + i, Self(to), 0)).ToArray();
        runs[2] = runs[2] with { Length = 70_000, SegmentSize = 70_000 };
        runs[5] = runs[5] with { To = Self(_right.IPv6![0]) };
        runs[6] = runs[6] with { To = new UdpPath(Self(to), Datagrams.Local("192.0.2.1")) }; // not an address of ours
        runs[8] = runs[8] with { Length = 70_000, SegmentSize = 70_000 };

        var failures = new List<(int Index, int Errno)>();
        var scratch = new UdpSendBatch();
        for (var at = 0; at < runs.Length; at++)
        {
            at += from.Send(memory, runs.AsSpan(at), scratch, out var errno);
            if (at < runs.Length)
            {
                failures.Add((at, errno));
            }
            else
            {
                Assert.Equal(Errno.None, errno);
            }
        }

        Assert.Equal([2, 5, 6, 8], failures.Select(failure => failure.Index));
        Assert.Equal([Errno.EMSGSIZE, Errno.EAFNOSUPPORT, failures[2].Errno, Errno.EMSGSIZE], failures.Select(failure => failure.Errno));
        Assert.Contains(failures[2].Errno, Datagrams.SourceIsGone);
        Assert.Equal([10, 11, 13, 14, 17], to.Receive(5).Select(message => message.Bytes.Length));
        Assert.Empty(to.ReceiveAll());
    }

    [Theory]
    [InlineData(false, "192.0.2.1")]
    [InlineData(true, "2001:db8::1")]
    public void An_address_to_send_from_that_is_not_ours_is_an_error_and_without_it_the_datagram_goes(bool isIPv6, string address)
    {
        var (from, to) = Sockets(isIPv6);
        Assert.Contains(from.Send("x"u8, new UdpPath(Self(to), Datagrams.Local(address))), Datagrams.SourceIsGone);
        Assert.Equal(Errno.None, from.Send("y"u8, Self(to)));
        Assert.Equal("y", to.ReceiveOne().Text);
    }

    [Fact]
    public void A_datagram_leaves_from_the_address_it_is_told_to()
    {
        var (from, to) = Sockets(isIPv6: false);
        Assert.Equal(Errno.None, from.Send("x"u8, new UdpPath(Self(to), Datagrams.Local("127.9.9.9"))));
        Assert.Equal(Datagrams.At("127.9.9.9", _left.Port), to.ReceiveOne().From.Remote);
    }

    [Fact]
    public void A_run_is_refused_by_a_socket_that_cannot_segment_and_nothing_of_it_is_sent()
    {
        var (from, to) = Sockets(isIPv6: false);
        from.CanSegment = false;
        Assert.Equal(Errno.EIO, from.SendRun(new byte[100], 10, Self(to)));
        Assert.Equal(Errno.None, from.SendRun(new byte[10], 10, Self(to)));
        Assert.Equal(10, to.ReceiveOne().Bytes.Length);
        Assert.Empty(to.ReceiveAll());
    }

    [Fact]
    public void An_IPv6_endpoint_is_whole_after_IPv4_ones_were_sent_to_with_the_same_scratch()
    {
        var (from4, to4) = Sockets(isIPv6: false);
        var (from6, to6) = Sockets(isIPv6: true);
        var scratch = new UdpSendBatch();
        for (var i = 0; i < 3; i++)
        {
            UdpRun[] run4 = [new(0, 1, 1, new UdpPath(Self(to4), Datagrams.Local("127.0.0.1")), 1)];
            UdpRun[] run6 = [new(0, 1, 1, new UdpPath(Self(to6), Datagrams.Local("::1")), 0)];
            Assert.Equal(1, from6.Send("6"u8.ToArray(), run6, scratch, out _));
            Assert.Equal(1, from4.Send("4"u8.ToArray(), run4, scratch, out _));
            var received6 = to6.ReceiveOne();
            var received4 = to4.ReceiveOne();
            Assert.Equal(("6", Self(from6), 0), (received6.Text, received6.From.Remote, received6.TrafficClass));
            Assert.Equal(("4", Self(from4), 1), (received4.Text, received4.From.Remote, received4.TrafficClass));
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void The_traffic_class_is_sent_and_received(bool isIPv6)
    {
        var (from, to) = Sockets(isIPv6);
        foreach (byte trafficClass in new byte[] { 0x01, 0x02, 0x03, 0x88, 0xff, 0x00 })
        {
            Assert.Equal(Errno.None, from.Send("x"u8, Self(to), trafficClass));
            Assert.Equal(trafficClass, to.ReceiveOne().TrafficClass);
        }
    }

    [Fact]
    public void Nothing_to_receive_is_EAGAIN_at_once()
    {
        var batch = new UdpReceiveBatch();
        Assert.Equal(-1, _left.IPv4![0].Receive(batch, out var errno));
        Assert.Equal(Errno.EAGAIN, errno);
        Assert.Equal(0, batch.Count);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_datagram_longer_than_its_room_is_marked_and_the_next_ones_arrive(bool isIPv6)
    {
        var (from, to) = Sockets(isIPv6);
        foreach (var length in new[] { 100, 10, 30_000, 16 })
        {
            from.Send(new byte[length], Self(to));
        }

        var received = to.Receive(4, slotLength: 16);
        Assert.Equal([(16, true), (10, false), (16, true), (16, false)], received.Select(message => (message.Bytes.Length, message.Truncated)));
        Assert.All(received, message => Assert.Equal(Self(from), message.From.Remote));
    }

    [Fact]
    public void The_longest_datagram_fits()
    {
        var (from, to) = Sockets(isIPv6: true);
        Assert.Equal(Errno.None, from.Send(new byte[65_527], Self(to)));
        var received = to.ReceiveOne();
        Assert.Equal((65_527, false), (received.Bytes.Length, received.Truncated));
    }

    [Fact]
    public void After_dispose_calls_answer_EBADF()
    {
        var (from, to) = Sockets(isIPv6: false);
        from.Dispose();
        Assert.Equal(Errno.EBADF, from.Send(new byte[1], Self(to)));
        Assert.Equal(-1, from.Receive(new UdpReceiveBatch(), out var errno));
        Assert.Equal(Errno.EBADF, errno);
    }

    [Fact]
    public void No_packet_costs_an_allocation()
    {
        var memory = new byte[64 << 10];
        using var stop = new EventFd();
        var scratch = new UdpSendBatch();
        var batch = new UdpReceiveBatch();
        UdpRun[] runs4 = [Run(_right.IPv4![0], "127.0.0.1"), Run(_right.IPv4![0], "127.0.0.1")];
        UdpRun[] runs6 = [Run(_right.IPv6![0], "::1"), Run(_right.IPv6![0], "::1")];
        var total = 0;
        Assert.Equal(0, ThreadAllocations.Of(Round));
        Assert.True(total > 0);

        void Round()
        {
            _left.IPv4![0].Send(memory, runs4, scratch, out _);
            _left.IPv6![0].Send(memory, runs6, scratch, out _);
            Poll.Wait([_right.IPv4![0].Descriptor, _right.IPv6![0].Descriptor, stop.Descriptor], Datagrams.Patience);
            _right.IPv4![0].Receive(batch, out _);
            Count();
            _right.IPv6![0].Receive(batch, out _);
            Count();
        }

        void Count()
        {
            for (var i = 0; i < batch.Count; i++)
            {
                total += batch.From(i).Local.IsKnown ? batch.Length(i) / batch.SegmentSize(i) : 0;
            }
        }

        static UdpRun Run(UdpSocket to, string local) => new(0, 40_000, 1400, new UdpPath(Self(to), Datagrams.Local(local)), 2);
    }

    private static Endpoint Self(UdpSocket socket) => Datagrams.At(socket.IsIPv6 ? "::1" : "127.0.0.1", socket.Port);

    private (UdpSocket From, UdpSocket To) Sockets(bool isIPv6) =>
        isIPv6 ? (_left.IPv6![0], _right.IPv6![0]) : (_left.IPv4![0], _right.IPv4![0]);
}
