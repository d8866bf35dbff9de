using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>The constants of section 6.1 of the paper, written out.</summary>
public class LimitsTests
{
    [Fact]
    public void Times_are_those_of_the_paper()
    {
        Assert.Equal(5.0, Limits.RekeyTimeout.TotalSeconds);
        Assert.Equal(0.333, Limits.RekeyTimeoutJitter.TotalSeconds);
        Assert.Equal(90.0, Limits.RekeyAttemptTime.TotalSeconds);
        Assert.Equal(10.0, Limits.KeepaliveTimeout.TotalSeconds);
        Assert.Equal(15.0, Limits.NewHandshakeTimeout.TotalSeconds);
        Assert.Equal(120.0, Limits.RekeyAfterTime.TotalSeconds);
        Assert.Equal(165.0, Limits.RekeyAfterTimeReceiving.TotalSeconds);
        Assert.Equal(180.0, Limits.RejectAfterTime.TotalSeconds);
        Assert.Equal(540.0, Limits.ZeroKeysAfter.TotalSeconds);
        Assert.Equal(120.0, Limits.CookieLifetime.TotalSeconds);
        Assert.Equal(5.0, Limits.CookieLatency.TotalSeconds);
        Assert.Equal(20.0, Limits.InitiationGap.TotalMilliseconds);
        Assert.Equal(1.0, Limits.UnderLoadTime.TotalSeconds);
    }

    [Fact]
    public void Counts_are_those_of_the_paper()
    {
        Assert.Equal<ulong>(1_152_921_504_606_846_976, Limits.RekeyAfterMessages);  // 2^60
        Assert.Equal(18_446_744_073_709_543_423, Limits.RejectAfterMessages); // 2^64 - 2^13 - 1
        Assert.True(ReplayWindow.Size >= 8128);
        Assert.Equal(16, Limits.PaddingMultiple);
    }

    [Fact]
    public void Of_allowed_ips_a_device_may_have_half_of_what_there_is_space_for_since_an_update_may_bring_as_many() =>
        Assert.True(2 * Limits.AllowedIps <= AllowedIpsTrie<IPv6Bits>.Capacity);

    [Fact]
    public void Messages_are_as_long_as_their_fields()
    {
        const int type = 4, index = 4, key = 32, tag = 16, mac = 16, timestamp = 12, counter = 8, nonce = 24, cookie = 16;
        Assert.Equal(type + index + key + (key + tag) + (timestamp + tag) + mac + mac, Messages.InitiationLength);
        Assert.Equal(type + index + index + key + tag + mac + mac, Messages.ResponseLength);
        Assert.Equal(type + index + nonce + cookie + tag, Messages.CookieReplyLength);
        Assert.Equal(type + index + counter, Messages.TransportHeaderLength);
        Assert.Equal(type + index + counter + tag, Messages.TransportMinimumLength);
        Assert.Equal([148, 92, 64, 32], new[] { Messages.InitiationLength, Messages.ResponseLength, Messages.CookieReplyLength, Messages.TransportMinimumLength });
    }
}
