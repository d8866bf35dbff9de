using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Device;

public sealed class HandshakeQueueTests
{
    private readonly HandshakeQueue _queue = new();
    private readonly byte[] _room = new byte[Messages.InitiationLength];

    [Fact]
    public void Messages_beyond_the_capacity_are_turned_away_and_those_before_are_kept()
    {
        for (var i = 0; i < HandshakeQueue.Capacity; i++)
        {
            Assert.True(Enqueue(i), $"message {i}");
        }

        Assert.Equal(1024, HandshakeQueue.Capacity);
        Assert.False(Enqueue(HandshakeQueue.Capacity));
        Assert.False(Enqueue(HandshakeQueue.Capacity + 1));

        for (var i = 0; i < HandshakeQueue.Capacity; i++)
        {
            AssertNext(i, backlog: HandshakeQueue.Capacity - 1 - i);
        }

        AssertEmpty();
    }

    [Fact]
    public void One_that_leaves_makes_room_for_one()
    {
        for (var i = 0; i < HandshakeQueue.Capacity; i++)
        {
            Enqueue(i);
        }

        AssertNext(0, HandshakeQueue.Capacity - 1);
        Assert.True(Enqueue(HandshakeQueue.Capacity));
        Assert.False(Enqueue(HandshakeQueue.Capacity + 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(700)]
    [InlineData(HandshakeQueue.Capacity)]
    public void Messages_and_paths_leave_whole_and_in_order_however_often_the_ring_is_gone_around(int waiting)
    {
        var (enqueued, dequeued) = (0, 0);
        while (dequeued < 3 * HandshakeQueue.Capacity)
        {
            while (enqueued - dequeued < waiting)
            {
                Assert.True(Enqueue(enqueued++));
            }

            for (var leave = Math.Max(1, waiting / 3); leave > 0; leave--, dequeued++)
            {
                AssertNext(dequeued, backlog: enqueued - dequeued - 1);
            }
        }

        for (; dequeued < enqueued; dequeued++)
        {
            AssertNext(dequeued, backlog: enqueued - dequeued - 1);
        }

        AssertEmpty();
    }

    private bool Enqueue(int number)
    {
        var (type, message, path) = Entry(number);
        return _queue.TryEnqueue(type, message, path);
    }

    private void AssertNext(int number, int backlog)
    {
        var (type, message, path) = Entry(number);
        Assert.False(_queue.IsEmpty);
        Assert.True(_queue.TryDequeue(_room, out var actualType, out var from, out var length, out var left));
        Assert.Equal((type, path, message.Length, backlog), (actualType, from, length, left));
        Assert.Equal(message, _room[..length]);
    }

    private void AssertEmpty()
    {
        Assert.True(_queue.IsEmpty);
        Assert.False(_queue.TryDequeue(_room, out var type, out var from, out var length, out var backlog));
        Assert.Equal((MessageType.None, default, 0, 0), (type, from, length, backlog));
    }

    // no two alike, and the three kinds, which differ in length, in turn
    private static (MessageType Type, byte[] Message, UdpPath Path) Entry(int number)
    {
        var (type, length) = (number % 3) switch
        {
            0 => (MessageType.Initiation, Messages.InitiationLength),
            1 => (MessageType.Response, Messages.ResponseLength),
            _ => (MessageType.CookieReply, Messages.CookieReplyLength),
        };
        var message = new byte[length];
        new Random(number).NextBytes(message);
        var remote = new Endpoint((UInt128)(0x0a000000 + number), (ushort)(1 + number), IsIPv6: false);
        return (type, message, new UdpPath(remote, new LocalAddress((UInt128)(number + 1), (uint)number, IsIPv6: number % 2 == 0)));
    }
}
