using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

public class Tai64nTests
{
    [Fact]
    public void The_epoch_is_2_to_62_and_ten_seconds()
    {
        var label = new byte[Tai64n.Length];
        Tai64n.From(DateTimeOffset.UnixEpoch).Write(label);
        Assert.Equal("400000000000000A00000000", Convert.ToHexString(label));
    }

    [Fact]
    public void Labels_are_whitened_to_2_to_24_nanoseconds()
    {
        var moment = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        Assert.Equal(Tai64n.From(moment), Tai64n.From(moment.AddTicks(167_772)));        // 16,777,200 ns
        Assert.Equal(1u << 24, Tai64n.From(moment.AddTicks(167_773)).Nanoseconds);       // 16,777,300 ns
        Assert.All(Enumerable.Range(0, 1000), i => Assert.Equal(0u, Tai64n.From(moment.AddTicks(i * 9_973)).Nanoseconds & 0xffffff));
    }

    [Fact]
    public void Reading_gives_what_was_written()
    {
        var label = new byte[Tai64n.Length];
        var stamp = Tai64n.From(new DateTimeOffset(2026, 7, 1, 12, 34, 56, 789, TimeSpan.Zero));
        stamp.Write(label);
        Assert.Equal(stamp, Tai64n.Read(label));
    }

    [Fact]
    public void The_next_label_is_later_also_at_the_end_of_a_second()
    {
        var stamp = Tai64n.From(DateTimeOffset.UnixEpoch);
        for (var i = 0; i < 200; i++)
        {
            var next = stamp.Next();
            Assert.True(next > stamp);
            Assert.True(next.Nanoseconds < 1_000_000_000);
            stamp = next;
        }

        Assert.Equal(0x400000000000000aUL + 3, stamp.Seconds); // 60 labels a second
    }
}
