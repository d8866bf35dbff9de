using WgMesh.Engine.Protocol;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

public class RateLimiterTests
{
    private readonly RateLimiter _limiter = new();
    private Instant _now = new(1_000_000_000);

    [Fact]
    public void Five_at_once_then_twenty_a_second()
    {
        Assert.Equal(5, Burst("192.0.2.1:1", 50));
        Assert.Equal(0, Burst("192.0.2.1:1", 50));
        Pass(50);
        Assert.Equal(1, Burst("192.0.2.1:1", 50));
        Pass(100);
        Assert.Equal(2, Burst("192.0.2.1:1", 50));
        Pass(60_000);
        Assert.Equal(5, Burst("192.0.2.1:1", 50));
    }

    [Fact]
    public void One_noisy_address_leaves_the_budget_of_the_others_alone()
    {
        Burst("192.0.2.1:1", 1000);
        Assert.Equal(5, Burst("192.0.2.2:1", 50));
    }

    [Fact]
    public void The_port_does_not_matter() => Assert.Equal(5, Burst("192.0.2.1:1", 5) + Burst("192.0.2.1:2", 5));

    [Fact]
    public void All_of_an_IPv6_64_is_one_source()
    {
        Assert.Equal(5, Burst("[2001:db8:0:1::1]:1", 5) + Burst("[2001:db8:0:1:ffff::2]:1", 5));
        Assert.Equal(5, Burst("[2001:db8:0:2::1]:1", 50));
    }

    [Fact]
    public void IPv4_and_IPv6_are_apart()
    {
        Burst("192.0.2.1:1", 50);
        Assert.Equal(5, Burst("[::c000:201]:1", 50));
    }

    [Fact]
    public void Memory_is_bounded_and_the_sources_it_knows_go_on()
    {
        for (uint i = 0; i < RateLimiter.MaximumSources; i++)
        {
            Assert.True(_limiter.Allow(new Endpoint(i, 1, false), _now));
        }

        Assert.False(_limiter.Allow(Ep("203.0.113.1:1"), _now));
        Assert.True(_limiter.Allow(new Endpoint(7, 1, false), _now));
        Pass(2_000);
        Assert.True(_limiter.Allow(Ep("203.0.113.1:1"), _now), "buckets that are full again make room");
    }

    private int Burst(string from, int count) => Enumerable.Range(0, count).Count(_ => _limiter.Allow(Ep(from), _now));

    private void Pass(double milliseconds) => _now += TimeSpan.FromMilliseconds(milliseconds);
}
