using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

public class ReplayWindowTests
{
    [Theory]
    [InlineData("0 1 2 1", "++ +-")]
    [InlineData("5 3 4 3 5", "+++--")]
    [InlineData("0 8128 0 1 1", "++-+-")] // the oldest that is still known; it was seen
    [InlineData("8129 0 1", "+-+")]       // one too old
    [InlineData("0 64 63 64 63", "+++--")]
    [InlineData("8191 63 64 8192 64 65", "++++-+")]
    [InlineData("1 1000000 1 999999 991872 991871", "++-++-")] // a leap clears the whole ring
    public void Counters_are_accepted_once_and_not_when_too_old(string counters, string expected)
    {
        var window = new ReplayWindow();
        var results = counters.Split(' ').Select(counter => window.TryAccept(ulong.Parse(counter)) ? '+' : '-');
        Assert.Equal(expected.Replace(" ", "", StringComparison.Ordinal), new string([.. results]));
    }

    [Fact]
    public void The_last_counters_before_the_limit_are_accepted_and_none_after()
    {
        var window = new ReplayWindow();
        Assert.True(window.TryAccept(Limits.RejectAfterMessages - 1));
        Assert.False(window.TryAccept(Limits.RejectAfterMessages - 1));
        Assert.False(window.TryAccept(Limits.RejectAfterMessages));
        Assert.False(window.TryAccept(ulong.MaxValue));
        Assert.True(window.TryAccept(Limits.RejectAfterMessages - 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_agrees_with_a_set_of_all_counters_in_any_order(int seed)
    {
        var random = new Random(seed);
        var window = new ReplayWindow();
        var seen = new HashSet<ulong>();
        ulong highest = 0, at = 0;
        for (var i = 0; i < 200_000; i++)
        {
            at += (ulong)random.Next(0, 3);
            var counter = random.Next(10) switch
            {
                0 => at + (ulong)random.Next(20_000),
                < 5 => at > 9_000 ? at - (ulong)random.Next(9_000) : at,
                _ => at,
            };
            var expected = (counter > highest || highest - counter <= ReplayWindow.Size) && !seen.Contains(counter);
            Assert.Equal(expected, window.TryAccept(counter));
            if (expected)
            {
                seen.Add(counter);
                highest = Math.Max(highest, counter);
            }
        }
    }

    [Fact]
    public async Task Of_several_threads_with_the_same_counters_exactly_one_is_right_each_time()
    {
        const int counters = 20_000;
        var window = new ReplayWindow();
        var accepted = new int[counters];
        await LockStep.Run(2, counters, (_, counter) =>
        {
            if (window.TryAccept((ulong)counter))
            {
                Interlocked.Increment(ref accepted[counter]);
            }
        });
        Assert.All(accepted, count => Assert.Equal(1, count));
    }
}
