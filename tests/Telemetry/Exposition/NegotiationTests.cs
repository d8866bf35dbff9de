using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry.Tests.Exposition;

public class NegotiationTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("*/*")]
    [InlineData("text/*")]
    [InlineData("text/plain")]
    [InlineData("text/plain;version=0.0.4")]
    [InlineData("text/html")]
    [InlineData("not a header;;;")]
    [InlineData("application/openmetrics-text;version=0.0.1")]
    [InlineData("application/openmetrics-text;q=0, text/plain;q=0.1")]
    [InlineData("application/openmetrics-text;q=0")]
    [InlineData("application/openmetrics-text;q=0.3, text/plain;q=0.4")]
    [InlineData("application/openmetrics-text;q=0.3, */*")]
    public void Text_is_the_default(string? accept) =>
        Assert.Equal(ExpositionFormat.PrometheusText, ExpositionFormats.Negotiate(accept));

    [Theory]
    [InlineData("application/openmetrics-text")]
    [InlineData("APPLICATION/OpenMetrics-Text; version=\"1.0.0\"")]
    [InlineData("application/openmetrics-text;version=1.0.0;q=0.5, text/plain;version=0.0.4;q=0.4")]
    [InlineData("text/plain, application/openmetrics-text")]
    [InlineData("application/*, text/plain;q=0.5")]
    [InlineData("application/openmetrics-text;version=1.0.0, */*;q=0.1")]
    [InlineData("text/plain;q=0, application/openmetrics-text;q=0.1, */*")]
    // What Prometheus 2.42 and 3 send:
    [InlineData("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")]
    [InlineData("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1")]
    public void OpenMetrics_is_served_to_those_who_prefer_it(string accept) =>
        Assert.Equal(ExpositionFormat.OpenMetrics, ExpositionFormats.Negotiate(accept));

    [Fact]
    public void Several_header_lines_count_as_one() =>
        Assert.Equal(ExpositionFormat.OpenMetrics,
            ExpositionFormats.Negotiate(new(["text/plain;q=0.5", "application/openmetrics-text"])));
}
