using System.Diagnostics.Metrics;
using WgMesh.Engine.Device;

namespace WgMesh.Telemetry.Tests;

public sealed class SeriesMeterTests
{
    private readonly string _name = "t" + Guid.NewGuid().ToString("N");
    private string[] _peers = [];

    [Fact]
    public async Task Peers_may_come_and_go_beyond_the_cardinality_limit()
    {
        using var meter = Meter(removalsPerMeter: 20);
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 25));

        for (var i = 0; i < 200; i++)
        {
            _peers = [$"n{i}", "always"];
            Assert.Equal([Sample("always"), Sample($"n{i}")], (await app.Samples()).Order());
            _peers = ["always"];
            meter.Removed();
        }
    }

    [Fact]
    public async Task Removals_that_nobody_scraped_do_not_use_up_the_SDKs_streams()
    {
        using var meter = Meter(removalsPerMeter: 1);
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 25));
        _peers = ["a"];
        await app.Scrape();
        for (var i = 0; i < 2500; i++)
            meter.Removed();

        Assert.Equal([Sample("a")], await app.Samples());
    }

    [Fact]
    public async Task The_limit_of_series_is_the_meters_own()
    {
        using var other = new Meter(_name + ".other");
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 5000).AddMeter(other.Name));
        using var meter = Meter(removalsPerMeter: 1);
        _peers = [.. Enumerable.Range(0, 4999).Select(i => $"p{i}")];
        var counter = other.CreateCounter<long>("other");
        for (var i = 0; i < 2500; i++)
            counter.Add(1, new KeyValuePair<string, object?>("i", i));

        var samples = await app.Samples();
        Assert.Equal(4999, samples.Count(s => s.StartsWith("rx_bytes_total", StringComparison.Ordinal)));
        Assert.Equal(2001, samples.Count(s => s.StartsWith("other_total", StringComparison.Ordinal)));
        Assert.Single(samples, s => s.Contains("otel_metric_overflow=\"true\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task All_kinds_of_instruments_are_replaced_together()
    {
        using var meter = new SeriesMeter(_name, "3", removalsPerMeter: 1, m =>
        {
            m.Counter("c", () => Observe(1L), null, "A counter");
            m.UpDownCounter("u", () => Observe(2L), null, "An up-down counter");
            m.Gauge("g", () => Observe(0.5), "s", "A gauge");
        });
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 100));
        _peers = ["a"];
        var before = await app.Scrape();

        meter.Removed();
        Assert.Equal(before, await app.Scrape());
        Assert.Equal(before, await app.Scrape());
        Assert.Equal(3, (await app.Samples()).Length);
    }

    [Fact]
    public async Task The_owner_may_hold_a_lock_that_its_callback_needs_while_it_removes()
    {
        var owner = new Lock();
        using var meter = new SeriesMeter(_name, null, removalsPerMeter: 1, m => m.Counter("rx", () =>
        {
            lock (owner)
                return Observe(1L).ToArray();
        }, "By", "Bytes received"));
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 100));
        _peers = ["a"];
        using var stop = new CancellationTokenSource();
        var removing = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                lock (owner)
                    meter.Removed();
        });

        for (var i = 0; i < 300; i++)
        {
            using var response = await app.Get(null).WaitAsync(TimeSpan.FromSeconds(60));
            Assert.True(response.IsSuccessStatusCode);
        }
        await stop.CancelAsync();
        await removing.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal([Sample("a")], await app.Samples());
    }

    [Fact]
    public async Task A_disposed_meter_is_gone_and_stays_gone()
    {
        var meter = Meter(removalsPerMeter: 1);
        await using var app = await ScrapedApp.Start(m => m.AddSeriesMeter(_name, _ => 100));
        _peers = ["a"];
        Assert.Single(await app.Samples());

        meter.Dispose();
        meter.Removed();
        Assert.Empty(await app.Samples());
    }

    private SeriesMeter Meter(int removalsPerMeter) =>
        new(_name, null, removalsPerMeter, m => m.Counter("rx", () => Observe(1L), "By", "Bytes received"));

    private IEnumerable<Measurement<T>> Observe<T>(T value)
        where T : struct => _peers.Select(p => new Measurement<T>(value, new KeyValuePair<string, object?>("peer", p)));

    private string Sample(string peer) => $$"""rx_bytes_total{otel_scope_name="{{_name}}",peer="{{peer}}"} 1""";
}
