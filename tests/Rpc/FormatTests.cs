using Grpc.Core;
using WgMesh.Rpc.Protocol;
using Timeout = WgMesh.Rpc.Protocol.Timeout;

namespace WgMesh.Rpc.Tests;

public class FormatTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("", "")]
    [InlineData("100%", "100%25")]
    [InlineData("a\nb", "a%0Ab")]
    [InlineData("ü", "%C3%BC")]
    [InlineData("~ \u007f", "~ %7F")]
    [InlineData("😀", "%F0%9F%98%80")]
    public void A_detail_is_percent_encoded_and_back(string text, string encoded)
    {
        Assert.Equal(encoded, PercentEncoding.Encode(text));
        Assert.Equal(text, PercentEncoding.Decode(encoded));
    }

    [Theory]
    [InlineData("%", "%")]
    [InlineData("%4", "%4")]
    [InlineData("%zz", "%zz")]
    [InlineData("50% of %41", "50% of A")]
    [InlineData("%+1", "%+1")]
    [InlineData("%c3%bc", "ü")]
    [InlineData("%ff", "\ufffd")]
    [InlineData("😀%41", "😀A")]
    public void What_is_not_encoded_rightly_stays_or_is_replaced(string encoded, string text) =>
        Assert.Equal(text, PercentEncoding.Decode(encoded));

    [Theory]
    [InlineData(0, "1n")]
    [InlineData(-5, "1n")]
    [InlineData(1, "100n")]
    [InlineData(999_999, "99999900n")]
    [InlineData(1_000_000, "100000u")]
    [InlineData(10_000_000, "1000000u")]
    [InlineData(36_000_000_000, "3600000m")]
    [InlineData(999_999_990_000, "99999999m")]
    [InlineData(999_999_990_001, "100000S")] // rounded up
    [InlineData(3_600_000_000_000_000, "6000000M")]
    [InlineData(long.MaxValue, "99999999H")] // the most that can be said
    public void A_timeout_is_sent_in_the_finest_unit_that_holds_it(long ticks, string expected) =>
        Assert.Equal(expected, Timeout.Format(TimeSpan.FromTicks(ticks)));

    [Theory]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("2M", 1_200_000_000)]
    [InlineData("3S", 30_000_000)]
    [InlineData("4m", 40_000)]
    [InlineData("5u", 50)]
    [InlineData("6n", 1)]
    [InlineData("00000001S", 10_000_000)]
    [InlineData("99999999H", 99_999_999 * 36_000_000_000)]
    public void A_timeout_is_read_in_every_unit(string text, long ticks)
    {
        Assert.True(Timeout.TryParse(text, out var timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("1")]
    [InlineData("1s")]
    [InlineData("-1S")]
    [InlineData("+1S")]
    [InlineData(" 1S")]
    [InlineData("1 S")]
    [InlineData("1.5S")]
    [InlineData("123456789S")]
    [InlineData("1SS")]
    [InlineData("٣S")]
    public void A_timeout_of_another_form_is_refused(string text) => Assert.False(Timeout.TryParse(text, out _));

    [Theory]
    [InlineData("AAH+/w", new byte[] { 0, 1, 254, 255 })]
    [InlineData("AAH+/w==", new byte[] { 0, 1, 254, 255 })]
    [InlineData("", new byte[0])]
    public void Bytes_in_metadata_are_read_padded_or_not(string text, byte[] expected)
    {
        var metadata = new Metadata();
        Headers.AddReceived(metadata, "X-Bin", text);
        Assert.Equal(expected, metadata.GetValueBytes("x-bin"));
    }

    [Fact]
    public void Joined_bytes_are_split_and_what_is_no_base64_is_thrown_away()
    {
        var metadata = new Metadata();
        Headers.AddReceived(metadata, "x-bin", "AQ,Ag==, Aw,***,A");
        Assert.Equal([[1], [2], [3]], metadata.Select(entry => entry.ValueBytes));
    }

    [Fact]
    public void Bytes_are_sent_without_padding() =>
        Assert.Equal("AAH+/w", Headers.Format(new Metadata.Entry("x-bin", [0, 1, 254, 255])));

    [Theory]
    [InlineData("Key", "key")]
    [InlineData("a_b-c.9", "a_b-c.9")]
    public void A_key_is_put_in_lower_case(string key, string expected) => Assert.Equal(expected, new Metadata.Entry(key, "v").Key);

    [Fact]
    public void Metadata_that_cannot_be_sent_is_refused_when_it_is_made()
    {
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("", "v"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("a b", "v"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry(":path", "v"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key", "two\nlines"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key", "ü"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key-bin", "text"));
        Assert.Throws<ArgumentException>(() => new Metadata.Entry("key", [1]));
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("a", "b"));
    }

    [Fact]
    public void Metadata_does_not_show_its_values() =>
        Assert.DoesNotContain("swordfish", new Metadata.Entry("authorization", "swordfish").ToString(), StringComparison.Ordinal);

    [Fact]
    public void The_last_of_many_values_counts_and_all_can_be_had()
    {
        var metadata = new Metadata { { "a", "1" }, { "b", "2" }, { "A", "3" } };
        Assert.Equal("3", metadata.GetValue("a"));
        Assert.Equal(["1", "3"], metadata.GetAll("A").Select(entry => entry.Value));
        Assert.Null(metadata.GetValue("c"));
    }
}
