namespace WgMesh.Kubernetes.Tests;

public class YamlScalarTests
{
    private static ManifestFile Parse(string scalar) => ManifestFile.Parse("t.yaml", $"v: {scalar}\n");

    // what kubectl 1.32 makes of it: kubectl annotate --local -f FILE a=b -o json
    [Theory]
    [InlineData("", "null")]
    [InlineData("~", "null")]
    [InlineData("null", "null")]
    [InlineData("Null", "null")]
    [InlineData("nUll", "\"nUll\"")]
    [InlineData("true", "true")]
    [InlineData("TRUE", "true")]
    [InlineData("tRUE", "\"tRUE\"")]
    [InlineData("yes", "true")]
    [InlineData("y", "true")]
    [InlineData("on", "true")]
    [InlineData("no", "false")]
    [InlineData("N", "false")]
    [InlineData("off", "false")]
    [InlineData("False", "false")]
    [InlineData("0", "0")]
    [InlineData("-0", "0")]
    [InlineData("51820", "51820")]
    [InlineData("+5", "5")]
    [InlineData("-7", "-7")]
    [InlineData("1_000", "1000")]
    [InlineData("0x10", "16")]
    [InlineData("0b11", "3")]
    [InlineData("0o17", "15")]
    [InlineData("010", "8")]
    [InlineData("08", "8")]
    [InlineData("0x", "\"0x\"")]
    [InlineData("0b", "\"0b\"")]
    [InlineData("0o", "\"0o\"")]
    [InlineData("0xg", "\"0xg\"")]
    [InlineData("9223372036854775807", "9223372036854775807")]
    [InlineData("-9223372036854775808", "-9223372036854775808")]
    [InlineData("18446744073709551615", "18446744073709551615")]
    [InlineData("99999999999999999999", "1E+20")]
    [InlineData("1.5", "1.5")]
    [InlineData(".5", "0.5")]
    [InlineData("1.", "1")]
    [InlineData("1.0", "1")]
    [InlineData("1e3", "1000")]
    [InlineData("1e999", "\"1e999\"")]
    [InlineData("1.2.3", "\"1.2.3\"")]
    [InlineData("10.0.0.0/8", "\"10.0.0.0/8\"")]
    [InlineData("1:30", "\"1:30\"")]
    [InlineData("2026-01-31", "\"2026-01-31\"")]
    [InlineData("2026-01-31T12:00:00Z", "\"2026-01-31T12:00:00Z\"")]
    [InlineData("-_", "\"-_\"")]
    [InlineData("-x", "\"-x\"")]
    [InlineData(".", "\".\"")]
    [InlineData("laptop", "\"laptop\"")]
    [InlineData("\"5\"", "\"5\"")]
    [InlineData("'true'", "\"true\"")]
    [InlineData("''", "\"\"")]
    [InlineData("'null'", "\"null\"")]
    [InlineData("|\n  1", "\"1\\n\"")]
    [InlineData(">-\n  1", "\"1\"")]
    [InlineData("!!str 5", "\"5\"")]
    [InlineData("!!int \"5\"", "5")]
    [InlineData("!!float 5", "5")]
    [InlineData("!!bool \"yes\"", "true")]
    [InlineData("!!null ''", "null")]
    [InlineData("!!binary aGk=", "\"hi\"")]
    [InlineData("!mine 5", "\"5\"")]
    public void A_scalar_has_the_type_that_kubectl_gives_it(string scalar, string json)
    {
        var file = Parse(scalar);

        Assert.Empty(file.Errors);
        Assert.Equal(json, file.Manifests.Single().Content["v"]?.ToJsonString() ?? "null");
    }

    [Theory]
    [InlineData("!!int x")]
    [InlineData("!!int 1.5")]
    [InlineData("!!bool 1")]
    [InlineData("!!null x")]
    [InlineData("!!float x")]
    [InlineData("!!binary '%'")]
    [InlineData("!!binary /w==")]
    [InlineData(".nan")]
    [InlineData("-.inf")]
    public void A_value_that_its_tag_or_JSON_does_not_have_is_an_error_that_does_not_show_it(string scalar)
    {
        var error = Assert.Single(Parse(scalar).Errors);

        Assert.Equal((1, 4), (error.Line, error.Column));
        Assert.Matches("^(the value does not fit its tag !![a-z]+|JSON has no infinity and no NaN)$", error.Reason);
    }

    [Fact]
    public void Keys_are_strings_whatever_they_look_like()
    {
        var file = ManifestFile.Parse("t.yaml", "1: a\nyes: b\n1.5: c\n'~': d\n");

        Assert.Equal(["1", "true", "1.5", "~"], file.Manifests.Single().Content.Select(item => item.Key));
    }

    [Theory]
    [InlineData("~: 1")]
    [InlineData("? [a]\n: 1")]
    [InlineData("? {a: b}\n: 1")]
    public void A_key_that_is_no_string_is_an_error(string text) =>
        Assert.Contains("key", Assert.Single(ManifestFile.Parse("t.yaml", text).Errors).Reason, StringComparison.Ordinal);
}
