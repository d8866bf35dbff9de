using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Protocol;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Tests.Shared;
using Xunit.Abstractions;

namespace WgMesh.Mesh.Tests.Metrics;

/// <summary>A mesh of thousands breaks no Prometheus: how many series there are, and what a scrape of them costs.</summary>
[Collection(nameof(EngineMeter))]
public sealed class CardinalityTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly Engine.Tests.Protocol.Host _host = new Lab().AddHost("192.0.2.1:51820");
    private WebApplication? _web;
    private DeviceMetrics? _metrics;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_web is not null)
        {
            await _web.DisposeAsync();
        }

        _metrics?.Dispose();
    }

    [Theory]
    [InlineData(1_000, 250)]
    [InlineData(1_000, 0)]
    [InlineData(10_000, 250)]
    [InlineData(10_000, 1_000)]
    public async Task An_agent_has_as_many_series_as_the_page_says_however_many_peers_there_are(int peers, int peerSeries)
    {
        await StartAsync(peerSeries);
        Replace(0, peers);
        var series = Exposition.Parse(await ScrapeAsync()).SelectMany(metric => metric.Series).ToList();
        var bound = MetricsDocument.SeriesOfAnAgent;
        Assert.Equal(bound.PerPeer * peerSeries, series.Count(labels => labels.Any(label => label.Key == "peer")));
        Assert.InRange(series.Count(labels => labels.All(label => label.Key != "peer")), 1, bound.Own);

        await ScrapeAsync(); // as the first one makes much that stays
        const int Scrapes = 5;
        var (allocated, cpu, watch) = (GC.GetTotalAllocatedBytes(precise: true), Environment.CpuUsage.TotalTime, Stopwatch.StartNew());
        for (var i = 0; i < Scrapes; i++)
        {
            await ScrapeAsync();
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{peers} peers, {series.Count} series: a scrape takes {watch.Elapsed.TotalMilliseconds / Scrapes:F1} ms, {(Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / Scrapes:F1} ms of CPU, {(GC.GetTotalAllocatedBytes(precise: true) - allocated) / Scrapes / 1024} KiB, the client's included"));
    }

    [Fact]
    public async Task Peers_may_come_and_go_for_ever()
    {
        await StartAsync(peerSeries: 50);
        for (var round = 0; round < 20; round++)
        {
            Replace(round * 200, 200);
            foreach (var peer in _host.Core.Peers)
            {
                peer.Counters.Drops.Add((DropReason)(1 + (round % (Enum.GetValues<DropReason>().Length - 1))));
            }

            var exposed = Exposition.Parse(await ScrapeAsync());
            Assert.DoesNotContain(exposed.SelectMany(metric => metric.Series), labels => labels.Any(label => label.Key == "otel_metric_overflow"));
            Assert.Equal(50, exposed.Single(metric => metric.Name == "wgmesh_peer_drops_total").Series.Count);
        }
    }

    [Fact]
    public void The_pages_table_is_the_formulas()
    {
        var (own, perPeer) = MetricsDocument.SeriesOfAnAgent;
        var rows = Regex.Matches(MetricsDocument.Text, @"^\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", RegexOptions.Multiline)
            .Select(row => row.Groups.Values.Skip(1).Select(cell => int.Parse(cell.Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture)).ToArray()).ToList();
        Assert.Equal([10, 100, 250, 1000], rows.Select(row => row[0]));
        Assert.All(rows, row => Assert.Equal(new[] { 250, 50, 0 }.Select(limit => row[0] * (own + (perPeer * Math.Min(row[0] - 1, limit)))), row[1..]));
    }

    private async Task StartAsync(int peerSeries)
    {
        _metrics = new DeviceMetrics("wgmesh0", _host.Core, new OffloadSwitches(null), peerSeries);
        _web = AgentEndpoints.Build(new IPEndPoint(IPAddress.Loopback, 0), "a", null, peerSeries, NullLoggerFactory.Instance, () => throw new NotSupportedException());
        await _web.StartAsync();
    }

    /// <summary>These peers in place of those that there are.</summary>
    private void Replace(int first, int count)
    {
        var random = new SeededRandom(first);
        var key = new byte[PublicKey.Length];
        var peers = new List<PeerUpdate>();
        for (var i = 0; i < count; i++)
        {
            random.GetBytes(key);
            peers.Add(new PeerUpdate { PublicKey = new PublicKey(key), Name = $"node-{first + i:d5}" });
        }

        Assert.True(_host.Apply(new DeviceUpdate { ReplacePeers = true, Peers = peers }));
        _metrics!.PeersChanged();
    }

    private async Task<string> ScrapeAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri(_web!.Urls.Single()) };
        return await http.GetStringAsync("/metrics");
    }
}
