using System.Text;
using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry.Tests.Exposition;

public class LabelsTests
{
    [Fact]
    public void Joined_values_stand_in_the_order_of_their_keys_not_of_the_tags() =>
        Assert.Equal("a_b=\"1;2;3\"", Written(new("a_b", 3), new("a.b", 2), new("a-b", 1)));

    [Fact]
    public void A_key_given_twice_is_one_label() =>
        Assert.Equal("peer=\"x;y\"", Written(new("peer", "x"), new("peer", "y")));

    [Fact]
    public void Values_are_written_the_same_in_every_culture() =>
        Assert.Equal("a=\"1.5\",b=\"false\",c=\"\",d=\"-7\"", Written(new("a", 1.5), new("b", false), new("c", null), new("d", -7L)));

    [Fact]
    public void Text_that_is_not_valid_Unicode_is_replaced_not_passed_on() =>
        Assert.Equal("a=\"\uFFFD\"", Written(new KeyValuePair<string, object?>("a", "\uD800")));

    [Fact]
    public void Labels_longer_than_the_rented_space_are_whole()
    {
        var value = new string('ü', 100_000);
        Assert.Equal($"a=\"{value}\"", Written(new KeyValuePair<string, object?>("a", value)));
    }

    private static string Written(params KeyValuePair<string, object?>[] tags)
    {
        using var buffer = new ExpositionBuffer(0);
        Labels.Write(buffer, tags, Labels.NoneReserved);
        return Encoding.UTF8.GetString(buffer.Written.Span);
    }
}
