using System.ComponentModel;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using OpenTelemetry.Metrics;

namespace WgMesh.Telemetry.Tests;

/// <summary>The output as Prometheus' own programs see it.</summary>
[Trait("needs", "system")]
public sealed class PrometheusTests : IDisposable
{
    /// <summary>An address where no other test listens, so that a port which is free there stays free.</summary>
    private static readonly IPAddress PrometheusHost = IPAddress.Parse("127.0.0.2");

    private readonly Meter _meter = new("t" + Guid.NewGuid().ToString("N"), "1.0");
    private readonly Meter _seriesMeter = new("t" + Guid.NewGuid().ToString("N"));
    private string[] _peers = ["a", "quote \" and \\ and\nline"];

    public PrometheusTests()
    {
        _meter.CreateObservableCounter("wgmesh.peer.received", () => PerPeer(1420L), "By", "Bytes received from a peer");
        _meter.CreateObservableGauge("wgmesh.peer.handshake.age", () => PerPeer(12.5), "s", "Age of the last handshake; \"none\" is \\ NaN");
        _meter.CreateObservableUpDownCounter("wgmesh.sessions", () => 3L, "{session}", "Sessions in use");
    }

    public void Dispose()
    {
        _meter.Dispose();
        _seriesMeter.Dispose();
    }

    [Fact]
    public async Task Promtool_has_nothing_to_complain_about()
    {
        await using var app = await Start();
        RecordAll();
        using var promtool = Run("promtool", "check", "metrics");
        await promtool.StandardInput.WriteAsync(await app.Scrape());
        promtool.StandardInput.Close();
        var output = await promtool.StandardOutput.ReadToEndAsync() + await promtool.StandardError.ReadToEndAsync();
        await promtool.WaitForExitAsync();

        Assert.Equal("", output);
        Assert.Equal(0, promtool.ExitCode);
    }

    [Fact]
    public async Task Prometheus_scrapes_both_formats_answers_queries_and_sees_series_go()
    {
        await using var app = await Start();
        RecordAll();
        var folder = Directory.CreateTempSubdirectory("wgmesh-prometheus-");
        var address = $"{PrometheusHost}:{FreePort()}";
        var target = $"{app.Address.Host}:{app.Address.Port}";
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "prometheus.yml"), $"""
            global: {'{'} scrape_interval: 2s, scrape_timeout: 2s {'}'}
            scrape_configs:
            - job_name: openmetrics
              static_configs: [ {'{'} targets: ["{target}"] {'}'} ]
            - job_name: text
              metrics_path: {ScrapedApp.TextPath}
              static_configs: [ {'{'} targets: ["{target}"] {'}'} ]
            """);
        using var prometheus = Run("prometheus", $"--config.file={folder.FullName}/prometheus.yml", $"--storage.tsdb.path={folder.FullName}/data",
            $"--web.listen-address={address}", "--log.level=warn");
        prometheus.StandardInput.Close();
        var log = prometheus.StandardError.ReadToEndAsync();
        try
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://{address}/api/v1/") };
            foreach (var job in new[] { "openmetrics", "text" })
            {
                await Eventually(client, $$"""up{job="{{job}}"}""", "1");
                await Eventually(client, $$"""wgmesh_peer_received_bytes_total{job="{{job}}",peer="a"}""", "1420");
                await Eventually(client, $$"""wgmesh_peer_received_bytes_total{job="{{job}}",peer="quote \" and \\ and\nline"}""", "1420");
                await Eventually(client, $$"""wgmesh_peer_handshake_age_seconds{job="{{job}}",peer="a"}""", "12.5");
                await Eventually(client, $$"""wgmesh_sessions{job="{{job}}"}""", "3");
                await Eventually(client, $$"""wgmesh_handshakes_total{job="{{job}}",role="initiator"}""", "2");
                await Eventually(client, $$"""wgmesh_never{job="{{job}}"}""", "NaN");
                await Eventually(client, $$"""histogram_quantile(0.5, wgmesh_collect_duration_seconds_bucket{job="{{job}}"})""", "0.5");
                // a bound is within its bucket, and it is the same number in both formats
                await Eventually(client, $$"""wgmesh_handshake_duration_seconds_bucket{job="{{job}}",le=~"5|5.0"}""", "2");
                await Eventually(client, $$"""count(wgmesh_handshake_duration_seconds_bucket{job="{{job}}"})""", "5");
                await Eventually(client, $$"""wgmesh_handshake_duration_seconds_sum{job="{{job}}"}""", "96.0005");
                await Eventually(client, $$"""target_info{job="{{job}}",service_name="wgmesh-test"}""", "1");
            }
            await Eventually(client, """count(wgmesh_peer_received_bytes_total)""", "4");
            var metadata = await client.GetStringAsync(new Uri("metadata?metric=wgmesh_peer_handshake_age_seconds", UriKind.Relative));
            var types = JsonDocument.Parse(metadata).RootElement.GetProperty("data").GetProperty("wgmesh_peer_handshake_age_seconds");
            Assert.Equal("gauge", types[0].GetProperty("type").GetString());
            Assert.Equal("Age of the last handshake; \"none\" is \\ NaN", types[0].GetProperty("help").GetString());

            _peers = ["a"];
            await Eventually(client, """count(wgmesh_peer_received_bytes_total)""", "2");
        }
        finally
        {
            prometheus.Kill();
            await prometheus.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
        Assert.DoesNotContain("level=", await log, StringComparison.Ordinal);
    }

    private Task<ScrapedApp> Start() => ScrapedApp.Start(metrics => metrics
        .AddMeter(_meter.Name)
        .AddSeriesMeter(_seriesMeter.Name, _ => 100)
        .AddView("wgmesh.collect.duration", new ExplicitBucketHistogramConfiguration { Boundaries = [0.25, 0.75, 1, 5] }));

    private void RecordAll()
    {
        var handshakes = _meter.CreateCounter<long>("wgmesh.handshakes", "{handshake}", "Handshakes by role");
        handshakes.Add(2, new KeyValuePair<string, object?>("role", "initiator"));
        handshakes.Add(1, new KeyValuePair<string, object?>("role", "responder"));
        _meter.CreateGauge<double>("wgmesh.never", description: "Not a number").Record(double.NaN);
        var duration = _meter.CreateHistogram<double>("wgmesh.collect.duration", "s", "Time to collect");
        duration.Record(0.4);
        duration.Record(0.6);
        var handshake = _seriesMeter.CreateHistogram<double>("wgmesh.handshake.duration", "s", "Time to a session",
            advice: new() { HistogramBucketBoundaries = [0.001, 0.3, 5, 90] });
        handshake.Record(0.0005);
        handshake.Record(5);
        handshake.Record(91);
    }

    private IEnumerable<Measurement<T>> PerPeer<T>(T value)
        where T : struct => _peers.Select(p => new Measurement<T>(value, new KeyValuePair<string, object?>("peer", p)));

    /// <summary>Waits until the query has one result with this value.</summary>
    private static async Task Eventually(HttpClient client, string query, string expected)
    {
        var deadline = DateTime.UtcNow.AddSeconds(60);
        string? last;
        do
        {
            try
            {
                last = await client.GetStringAsync(new Uri("query?query=" + Uri.EscapeDataString(query), UriKind.Relative));
                var result = JsonDocument.Parse(last).RootElement.GetProperty("data").GetProperty("result");
                if (result.GetArrayLength() == 1 && result[0].GetProperty("value")[1].GetString() == expected)
                    return;
            }
            catch (HttpRequestException exception)
            {
                last = exception.Message; // not up yet
            }
            await Task.Delay(100);
        }
        while (DateTime.UtcNow < deadline);
        Assert.Fail($"{query} should be {expected}; the last answer was: {last}");
    }

    private static Process Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new InvalidOperationException($"This test needs {program}: install Debian's package prometheus.", exception);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(PrometheusHost, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
