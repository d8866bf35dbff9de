using System.Diagnostics.Metrics;
using System.Net;
using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry.Tests;

/// <summary>What stands in a scrape, from instrument to line. Each test has a meter of its own name.</summary>
public sealed class ExporterTests : IDisposable
{
    private readonly Meter _meter = new("t" + Guid.NewGuid().ToString("N"));

    public void Dispose() => _meter.Dispose();

    [Fact]
    public async Task A_counter_ends_in_total_and_carries_its_unit()
    {
        await using var app = await Start();
        _meter.CreateCounter<long>("wgmesh.received", "By", "Bytes received").Add(7, Tag("peer", "a"));

        Assert.Equal($$"""
            # TYPE target_info gauge
            # HELP target_info Target metadata
            target_info{service_name="wgmesh-test"} 1
            # TYPE wgmesh_received_bytes_total counter
            # HELP wgmesh_received_bytes_total Bytes received
            wgmesh_received_bytes_total{otel_scope_name="{{_meter.Name}}",peer="a"} 7

            """, await app.Scrape());
        Assert.Equal($$"""
            # TYPE target info
            # HELP target Target metadata
            target_info{service_name="wgmesh-test"} 1
            # TYPE wgmesh_received_bytes counter
            # UNIT wgmesh_received_bytes bytes
            # HELP wgmesh_received_bytes Bytes received
            wgmesh_received_bytes_total{otel_scope_name="{{_meter.Name}}",peer="a"} 7
            # EOF

            """, await app.Scrape(ScrapedApp.OpenMetrics));
    }

    [Fact]
    public async Task Up_down_counters_and_gauges_are_gauges()
    {
        await using var app = await Start();
        _meter.CreateUpDownCounter<long>("sessions").Add(-3);
        _meter.CreateGauge<double>("load", "1").Record(0.25);

        var text = await app.Scrape();
        Assert.Contains("# TYPE sessions gauge\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE load_ratio gauge\n", text, StringComparison.Ordinal);
        Assert.Equal([$"load_ratio{Scope()} 0.25", $"sessions{Scope()} -3"], await app.Samples());
    }

    [Theory]
    [InlineData(double.NaN, "NaN")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    [InlineData(0.1, "0.1")]
    [InlineData(1e300, "1E+300")]
    [InlineData(-2.0, "-2")]
    public async Task Numbers_read_back_as_they_were(double value, string text)
    {
        await using var app = await Start();
        _meter.CreateGauge<double>("g").Record(value);

        Assert.Equal([$"g{Scope()} {text}"], await app.Samples());
        Assert.Equal([$"g{Scope()} {text}"], await app.Samples(ScrapedApp.OpenMetrics));
    }

    [Fact]
    public async Task A_histograms_buckets_are_cumulative_and_end_at_infinity()
    {
        await using var app = await Start(m => m.AddView("took", new ExplicitBucketHistogramConfiguration { Boundaries = [0.5, 1, 5] }));
        var histogram = _meter.CreateHistogram<double>("took", "s");
        foreach (var value in new[] { 0.1, 0.2, 0.7, 9 })
            histogram.Record(value, Tag("role", "initiator"));

        var scope = $"otel_scope_name=\"{_meter.Name}\",role=\"initiator\"";
        Assert.Equal(
        [
            $$"""took_seconds_bucket{{{scope}},le="0.5"} 2""",
            $$"""took_seconds_bucket{{{scope}},le="1"} 3""",
            $$"""took_seconds_bucket{{{scope}},le="5"} 3""",
            $$"""took_seconds_bucket{{{scope}},le="+Inf"} 4""",
            $$"""took_seconds_sum{{{scope}}} 10""",
            $$"""took_seconds_count{{{scope}}} 4""",
        ], await app.Samples());
        var openMetrics = await app.Scrape(ScrapedApp.OpenMetrics);
        Assert.Contains("# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n", openMetrics, StringComparison.Ordinal);
        Assert.Contains("le=\"1.0\"} 3\n", openMetrics, StringComparison.Ordinal);
        Assert.Contains("le=\"0.5\"} 2\n", openMetrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_histogram_without_bounds_still_has_the_bucket_of_infinity()
    {
        await using var app = await Start(m => m.AddView("took", new ExplicitBucketHistogramConfiguration { Boundaries = [] }));
        _meter.CreateHistogram<double>("took").Record(2);

        var scope = $"otel_scope_name=\"{_meter.Name}\"";
        Assert.Equal([$$"""took_bucket{{{scope}},le="+Inf"} 1""", $$"""took_sum{{{scope}}} 2""", $$"""took_count{{{scope}}} 1"""], await app.Samples());
    }

    [Fact]
    public async Task OpenMetrics_has_no_sum_over_buckets_below_zero()
    {
        await using var app = await Start(m => m.AddView("offset", new ExplicitBucketHistogramConfiguration { Boundaries = [-1, 1] }));
        _meter.CreateHistogram<double>("offset").Record(-5);

        Assert.Contains("offset_sum", await app.Scrape(), StringComparison.Ordinal);
        var openMetrics = await app.Scrape(ScrapedApp.OpenMetrics);
        Assert.Contains("le=\"-1.0\"} 1\n", openMetrics, StringComparison.Ordinal);
        Assert.DoesNotContain("offset_sum", openMetrics, StringComparison.Ordinal);
        Assert.DoesNotContain("offset_count", openMetrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Label_values_and_help_are_escaped()
    {
        await using var app = await Start();
        _meter.CreateGauge<long>("g", description: "one\ntwo \\ \"three\"").Record(1, Tag("path", "a\\b\"c\nd – ü"));

        Assert.Equal([$$"""g{otel_scope_name="{{_meter.Name}}",path="a\\b\"c\nd – ü"} 1"""], await app.Samples());
        Assert.Contains("""# HELP g one\ntwo \\ "three" """.TrimEnd() + "\n", await app.Scrape(), StringComparison.Ordinal);
        Assert.Contains("""# HELP g one\ntwo \\ \"three\" """.TrimEnd() + "\n", await app.Scrape(ScrapedApp.OpenMetrics), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Label_names_are_made_valid_and_those_that_meet_are_joined_in_the_order_of_their_keys()
    {
        await using var app = await Start();
        _meter.CreateGauge<long>("g").Record(1, Tag("peer_name", "second"), Tag("peer.name", "first"), Tag("__name__", "x"), Tag("ok", true));

        Assert.Equal([$$"""g{otel_scope_name="{{_meter.Name}}",_name_="x",ok="true",peer_name="first;second"} 1"""], await app.Samples());
    }

    [Fact]
    public async Task A_tag_cannot_pose_as_a_label_of_the_format()
    {
        await using var app = await Start(m => m.AddView("took", new ExplicitBucketHistogramConfiguration { Boundaries = [] }));
        _meter.CreateHistogram<long>("took").Record(1, Tag("le", "0"));
        _meter.CreateGauge<long>("g").Record(1, Tag("le", "0"), Tag("otel_scope_name", "other"));

        var samples = await app.Samples();
        Assert.Equal($$"""g{otel_scope_name="{{_meter.Name}}",le="0",exported_otel_scope_name="other"} 1""", samples[0]);
        Assert.Equal($$"""took_bucket{otel_scope_name="{{_meter.Name}}",exported_le="0",le="+Inf"} 1""", samples[1]);
    }

    [Fact]
    public async Task A_family_has_its_head_once_also_with_several_meters()
    {
        using var other = new Meter(_meter.Name + ".other", "1.2", [new("zone", "b")]);
        await using var app = await Start(m => m.AddMeter(other.Name));
        _meter.CreateCounter<long>("drops", description: "Packets dropped").Add(1);
        _meter.CreateCounter<long>("between").Add(1);
        other.CreateCounter<long>("drops", description: "Dropped packets").Add(2);

        var text = await app.Scrape();
        Assert.EndsWith($$"""
            # TYPE drops_total counter
            # HELP drops_total Packets dropped
            drops_total{otel_scope_name="{{_meter.Name}}"} 1
            drops_total{otel_scope_name="{{other.Name}}",otel_scope_version="1.2",otel_scope_zone="b"} 2

            """, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_meter_with_nothing_to_report_does_not_keep_another_from_the_family()
    {
        using var other = new Meter(_meter.Name + ".other");
        await using var app = await Start(m => m.AddMeter(other.Name));
        _meter.CreateObservableCounter<long>("drops", () => [], description: "None yet");
        other.CreateCounter<long>("drops", description: "Dropped packets").Add(2);

        Assert.Equal([$$"""drops_total{otel_scope_name="{{other.Name}}"} 2"""], await app.Samples());
        Assert.Contains("# HELP drops_total Dropped packets\n", await app.Scrape(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_series_stands_in_a_scrape_once()
    {
        await using var app = await Start();
        _meter.CreateGauge<long>("a.b").Record(1, Tag("p", "x"));
        _meter.CreateGauge<long>("a_b").Record(2, Tag("p", "x"));
        _meter.CreateGauge<long>("a-b").Record(3, Tag("p", "y"));

        Assert.Equal(
        [
            $$"""a_b{otel_scope_name="{{_meter.Name}}",p="x"} 1""",
            $$"""a_b{otel_scope_name="{{_meter.Name}}",p="y"} 3""",
        ], await app.Samples());
    }

    [Fact]
    public async Task A_name_that_is_taken_by_another_type_is_left_out()
    {
        await using var app = await Start();
        _meter.CreateCounter<long>("drops").Add(1);
        _meter.CreateGauge<long>("drops_total").Record(5);
        _meter.CreateUpDownCounter<long>("drops").Add(7, Tag("peer", "a"));
        _meter.CreateGauge<long>("target_info").Record(9);

        Assert.Equal([$"drops_total{Scope()} 1"], await app.Samples());
        Assert.Single((await app.Scrape()).Split('\n'), line => line.StartsWith("target_info", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_exponential_histogram_is_left_out()
    {
        await using var app = await Start(m => m.AddView("took", new Base2ExponentialBucketHistogramConfiguration()));
        _meter.CreateHistogram<long>("took").Record(1);

        Assert.Empty(await app.Samples());
    }

    [Fact]
    public async Task A_failing_callback_costs_only_its_own_metric()
    {
        await using var app = await Start();
        _meter.CreateObservableGauge<long>("broken", (Func<long>)(() => throw new InvalidOperationException("on purpose")));
        _meter.CreateGauge<long>("sound").Record(1);

        Assert.Equal([$"sound{Scope()} 1"], await app.Samples());
    }

    [Fact]
    public async Task A_series_that_is_no_longer_reported_vanishes_and_may_come_back()
    {
        await using var app = await Start();
        string[] peers = ["a", "b"];
        _meter.CreateObservableCounter("rx", () => peers.Select(p => new Measurement<long>(1, Tag("peer", p))));
        _meter.CreateObservableGauge("age", () => peers.Select(p => new Measurement<double>(1, Tag("peer", p))));
        _meter.CreateObservableUpDownCounter("queue", () => peers.Select(p => new Measurement<long>(1, Tag("peer", p))));
        Assert.Equal(6, (await app.Samples()).Length);

        peers = ["b"];
        Assert.DoesNotContain("peer=\"a\"", await app.Scrape(), StringComparison.Ordinal);
        Assert.Equal(3, (await app.Samples(ScrapedApp.OpenMetrics)).Length);

        peers = [];
        Assert.DoesNotContain("rx", await app.Scrape(), StringComparison.Ordinal);

        peers = ["a"];
        Assert.Equal(3, (await app.Samples()).Length);
    }

    [Fact]
    public async Task The_response_says_what_it_is()
    {
        await using var app = await Start();
        using var text = await app.Get(null);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", text.Content.Headers.ContentType!.ToString());
        using var openMetrics = await app.Get(ScrapedApp.OpenMetrics);
        Assert.Equal("application/openmetrics-text; version=1.0.0; charset=utf-8", openMetrics.Content.Headers.ContentType!.ToString());
        using var head = await app.Get(null, HttpMethod.Head);
        Assert.Equal(text.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
        using var post = await app.Get(null, HttpMethod.Post);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
    }

    [Fact]
    public async Task Concurrent_scrapes_of_both_formats_are_each_whole()
    {
        await using var app = await Start();
        var counter = _meter.CreateCounter<long>("c");
        for (var i = 0; i < 500; i++)
            counter.Add(i, Tag("peer", "p" + i));

        var texts = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => app.Scrape(i % 3 == 0 ? ScrapedApp.OpenMetrics : null)));

        Assert.Equal(2, texts.Distinct().Count());
        Assert.All(texts, text => Assert.Equal(500, text.Split('\n').Count(line => line.StartsWith("c_total{", StringComparison.Ordinal))));
    }

    private Task<ScrapedApp> Start(Action<MeterProviderBuilder>? more = null) => ScrapedApp.Start(metrics =>
    {
        metrics.AddMeter(_meter.Name);
        more?.Invoke(metrics);
    });

    private string Scope() => $$"""{otel_scope_name="{{_meter.Name}}"}""";

    private static KeyValuePair<string, object?> Tag(string key, object? value) => new(key, value);
}
