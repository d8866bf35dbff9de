using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry.Tests.Exposition;

public class NamingTests
{
    [Theory]
    [InlineData("s", "seconds")]
    [InlineData("ms", "milliseconds")]
    [InlineData("By", "bytes")]
    [InlineData("MiBy", "mebibytes")]
    [InlineData("%", "percent")]
    [InlineData("By/s", "bytes_per_second")]
    [InlineData("1/s", "per_second")]
    [InlineData("m/min", "meters_per_minute")]
    [InlineData("{peer}", "")]
    [InlineData("{packet}/s", "per_second")]
    [InlineData("{a}By{b}", "bytes")]
    [InlineData("furlong", "furlong")]
    [InlineData("a-b", "a_b")]
    [InlineData("{open", "open")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void A_unit_is_spelled_in_the_words_of_Prometheus(string? unit, string word) =>
        Assert.Equal(word, UnitName.Of(unit, isGauge: false));

    [Fact]
    public void A_unit_of_one_is_a_ratio_on_a_gauge_only()
    {
        Assert.Equal("ratio", UnitName.Of("1", isGauge: true));
        Assert.Equal("", UnitName.Of("1", isGauge: false));
    }

    [Theory]
    [InlineData("wgmesh.peer.received", "bytes", "wgmesh_peer_received_bytes")]
    [InlineData("wgmesh_peer_received_bytes", "bytes", "wgmesh_peer_received_bytes")]
    [InlineData("bytes", "bytes", "bytes")]
    [InlineData("seconds_before", "seconds", "seconds_before_seconds")]
    [InlineData("a..b--c__d", "", "a_b_c_d")]
    [InlineData("2fast", "", "_2fast")]
    [InlineData("job:rate", "", "job:rate")]
    [InlineData("größe", "", "gr_e")]
    public void A_family_name_has_valid_characters_and_ends_in_its_unit(string name, string unit, string family) =>
        Assert.Equal(family, MetricName.Family(name, unit, isCounter: false));

    [Theory]
    [InlineData("requests_total", "", "requests")]
    [InlineData("received_bytes_total", "bytes", "received_bytes")]
    [InlineData("received_total", "bytes", "received_bytes")]
    [InlineData("_total", "", "_total")]
    public void A_counters_total_is_not_part_of_its_family_name(string name, string unit, string family) =>
        Assert.Equal(family, MetricName.Family(name, unit, isCounter: true));

    [Theory]
    [InlineData("peer", "peer")]
    [InlineData("peer.name", "peer_name")]
    [InlineData("1st", "_1st")]
    [InlineData("a:b", "a_b")]
    [InlineData("__name__", "_name_")]
    [InlineData("", "_")]
    [InlineData("a__b", "a_b")]
    public void A_label_name_is_made_valid_and_never_starts_with_two_underscores(string key, string label) =>
        Assert.Equal(label, MetricName.Label(key));
}
