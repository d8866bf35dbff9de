using System.Security.Cryptography;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests;

/// <summary>How keys, endpoints and prefixes are read and written.</summary>
public class TextTests
{
    [Theory]
    [InlineData("192.0.2.1:51820")]
    [InlineData("[2001:db8::1]:51820")]
    [InlineData("[fe80::1%3]:1")]
    public void An_endpoint_is_written_as_it_was_read(string text)
    {
        Assert.True(Endpoint.TryParse(text, out var endpoint));
        Assert.True(endpoint.IsKnown);
        Assert.Equal(text, endpoint.ToString());
        Assert.Equal(endpoint, Endpoint.From(endpoint.ToIPEndPoint()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("192.0.2.1")]
    [InlineData("192.0.2.1:0")]
    [InlineData("192.0.2.1:65536")]
    [InlineData("010.0.0.1:51820")]
    [InlineData("10.1:51820")]
    [InlineData("2001:db8::1")]
    [InlineData("2001:db8::1:51820")]
    [InlineData("node:51820")]
    public void What_is_no_endpoint_is_refused(string text) => Assert.False(Endpoint.TryParse(text, out _));

    [Fact]
    public void An_IPv4_endpoint_mapped_into_IPv6_is_an_IPv4_endpoint()
    {
        Assert.True(Endpoint.TryParse("[::ffff:192.0.2.1]:5", out var endpoint));
        Assert.Equal("192.0.2.1:5", endpoint.ToString());
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3", "10.1.2.3/32")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("fd00::1/64", "fd00::/64")]
    [InlineData("::/0", "::/0")]
    [InlineData("FD00::1", "fd00::1/128")]
    public void A_prefix_loses_its_host_bits(string text, string written)
    {
        Assert.True(Prefix.TryParse(text, out var prefix));
        Assert.Equal(written, prefix.ToString());
    }

    [Theory]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0/8")]
    [InlineData("010.0.0.0/8")]
    [InlineData("fd00::/129")]
    [InlineData("fe80::%1/64")]
    [InlineData("[fd00::]/64")]
    [InlineData("x")]
    public void What_is_no_prefix_is_refused(string text) => Assert.False(Prefix.TryParse(text, out _));

    [Theory]
    [InlineData("10.0.0.0/8", "10.255.0.0/16", true)]
    [InlineData("10.255.0.0/16", "10.0.0.0/8", true)]
    [InlineData("10.0.0.0/9", "10.128.0.0/9", false)]
    [InlineData("0.0.0.0/0", "::/0", false)]
    public void Prefixes_overlap_when_one_holds_the_other(string left, string right, bool expected)
    {
        Assert.True(Prefix.TryParse(left, out var a) & Prefix.TryParse(right, out var b));
        Assert.Equal(expected, a.Overlaps(b));
    }

    [Fact]
    public void A_public_key_is_32_bytes_in_base64_and_nothing_else()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        Assert.True(PublicKey.TryParseBase64(Convert.ToBase64String(bytes), out var key));
        Assert.Equal(bytes, key.ToArray());
        Assert.Equal(Convert.ToBase64String(bytes), key.ToString());
        Assert.False(PublicKey.TryParseBase64(Convert.ToBase64String(bytes[..31]), out _));
        Assert.False(PublicKey.TryParseBase64(Convert.ToBase64String([.. bytes, 1]), out _));
        Assert.False(PublicKey.TryParseBase64("no key", out _));
    }

    [Fact]
    public void A_secret_key_is_never_printed_and_wiped_when_disposed_of()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        var key = SecretKey.ParseBase64(Convert.ToBase64String(bytes))!;
        Assert.Equal("(hidden)", key.ToString());
        Assert.Equal("(hidden)", $"{key}");
        Assert.True(key.Bytes.SequenceEqual(bytes));
        Assert.Equal(new SecretKey(bytes), key);
        key.Dispose();
        Assert.True(key.IsZero);
    }
}
