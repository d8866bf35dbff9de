using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Operator.Telemetry;
using WgMesh.Telemetry;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests.Metrics;

/// <summary>docs/metrics.md says what a running mesh exposes, no more and no less.</summary>
[Collection(nameof(EngineMeter))]
public sealed partial class MetricsContractTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-metrics-").FullName;
    private readonly ManualTime _time = new();
    private readonly Wire _wire;
    private readonly List<RunningAgent> _agents = [];
    private RunningOperator _operator = null!;

    public MetricsContractTests() => _wire = new Wire(_time);

    public async Task InitializeAsync() => _operator = await RunningOperator.StartAsync(Path.Combine(_folder, "operator"), """
        apiVersion: v1
        kind: Node
        metadata: {name: a}
        spec: {podCIDRs: [10.1.0.0/24]}
        status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
        ---
        apiVersion: v1
        kind: Node
        metadata: {name: b}
        spec: {podCIDRs: [10.2.0.0/24]}
        status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
        ---
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardPeer
        metadata: {name: laptop}
        spec: {publicKey: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=, allowedIPs: [10.9.0.0/24]}

        """);

    public async Task DisposeAsync()
    {
        foreach (var agent in _agents)
        {
            await agent.DisposeAsync();
        }

        await _operator.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_agents_metrics_are_those_of_the_page()
    {
        await using var web = AgentEndpoints.Build(
            new IPEndPoint(IPAddress.Loopback, 0), "a", null, new DeviceOptions { Name = "" }.PeerSeries, NullLoggerFactory.Instance, () => throw new NotSupportedException());
        await web.StartAsync();
        await RunMeshAsync();

        var scrape = await ScrapeAsync(new Uri(web.Urls.Single()));
        Assert.Empty(MetricsContract.Violations(
            scrape, MetricsDocument.Of(WireGuardDevice.MeterName, AgentMetrics.MeterName, ProcessMeterProviderBuilderExtensions.MeterName), [WireGuardDevice.MeterName, AgentMetrics.MeterName]));
        // the bound that the page gives, agent and engine together
        var own = Exposition.Parse(scrape).SelectMany(metric => metric.Series).Where(series => !series.Any(label => label is { Key: "peer" } or { Key: "interface", Value: not "wgmesh1" }));
        Assert.InRange(own.Count() + 1, 60, MetricsDocument.SeriesOfAnAgent.Own); // one: target_info
        // those that appear when something happened: it did
        foreach (var name in new[] { "wgmesh_peer_drops_total", "wgmesh_device_handshake_duration_seconds" })
        {
            Assert.Contains(Exposition.Parse(scrape), metric => metric.Name == name);
        }
    }

    [Fact]
    public async Task The_operators_metrics_are_those_of_the_page()
    {
        await RunMeshAsync();
        var before = _agents[0].Status.Current.Applied!.Revision;
        _operator.Put("later.yaml", """
            apiVersion: wgmesh.io/v1alpha1
            kind: WireGuardPeer
            metadata: {name: later}
            spec: {publicKey: iSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=, allowedIPs: [10.9.1.0/24]}
            """);
        await UntilAsync(() => _agents[0].Status.Current.Applied!.Revision > before, "the agent does not get the new peer");

        // the operator counts and hears of what there is a little later
        IReadOnlyList<string> violations = [];
        for (var deadline = DateTime.UtcNow + Patience; DateTime.UtcNow < deadline; _wire.Step([(_agents[0].Plane, _agents[1].Plane)]))
        {
            violations = MetricsContract.Violations(
                await ScrapeAsync(_operator.MetricsAddress),
                MetricsDocument.Of(OperatorMetrics.MeterName, ProcessMeterProviderBuilderExtensions.MeterName),
                [OperatorMetrics.MeterName],
                // tests/Operator/Hosting/KubernetesOperatorTests.Its_metrics_are_those_of_the_page has the others
                name => !name.StartsWith("wgmesh_operator_kubernetes_", StringComparison.Ordinal));
            if (violations.Count == 0)
            {
                break;
            }
        }

        Assert.Empty(violations);
    }

    [Fact]
    public void The_page_has_every_reason_for_a_drop()
    {
        var paragraph = MetricsDocument.Text.Split("\n\n").Single(text => text.Contains("Reasons of drops", StringComparison.Ordinal));
        var said = Word().Matches(paragraph[paragraph.IndexOf("Reasons of drops", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value);
        var reasons = Enum.GetValues<DropReason>().Where(reason => reason != DropReason.None).Select(reason => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString()));
        Assert.Equal(reasons.Order(StringComparer.Ordinal), said.Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("# TYPE wgmesh_x gauge\n# HELP wgmesh_x X.\nwgmesh_x{a=\"1\"} 1\n", "")]
    [InlineData("# TYPE wgmesh_x gauge\n# HELP wgmesh_x X.\nwgmesh_x{b=\"1\"} 1\n", "wgmesh_x has the labels \"b\"")]
    [InlineData("# TYPE wgmesh_x gauge\n# HELP wgmesh_x X.\nwgmesh_x{a=\"1\",otel_metric_overflow=\"true\"} 1\n", "wgmesh_x has the labels \"a, otel_metric_overflow\"")]
    [InlineData("# TYPE wgmesh_x counter\n# HELP wgmesh_x X.\nwgmesh_x{a=\"1\"} 1\n", "wgmesh_x is a counter|wgmesh_x ends in _x")]
    [InlineData("# TYPE wgmesh_x gauge\nwgmesh_x{a=\"1\"} 1\n", "wgmesh_x has no sentence of help")]
    [InlineData("", "wgmesh_x is in docs/metrics.md and not exposed")]
    [InlineData(
        "# TYPE wgmesh_x gauge\n# HELP wgmesh_x X.\nwgmesh_x{a=\"1\"} 1\n# TYPE wgmesh_y_ms gauge\n# HELP wgmesh_y_ms Y.\nwgmesh_y_ms 1\n",
        "wgmesh_y_ms (gauge) is exposed and not in docs/metrics.md|wgmesh_y_ms is in ms")]
    public void The_comparison_sees_what_it_is_to_see(string scrape, string expected)
    {
        var violations = MetricsContract.Violations(scrape, [new DocumentedMetric("wgmesh_x", "gauge", ["a"], "X.")], []);
        var starts = expected.Split('|', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(starts.Length, violations.Count);
        Assert.All(starts, start => Assert.Contains(violations, violation => violation.StartsWith(start, StringComparison.Ordinal)));
    }

    [Fact]
    public void What_appears_later_needs_an_instrument()
    {
        var documented = new[] { new DocumentedMetric("wgmesh_never_total", "counter", [], "X. Appears with the first.") };
        Assert.Single(MetricsContract.Violations("", documented, ["WgMesh.Nothing"]));
        using var meter = new System.Diagnostics.Metrics.Meter("WgMesh.Nothing");
        meter.CreateCounter<long>("wgmesh.never");
        Assert.Empty(MetricsContract.Violations("", documented, ["WgMesh.Nothing"]));
    }

    /// <summary>Two agents with a session, and a packet for a device that is nowhere.</summary>
    private async Task RunMeshAsync()
    {
        foreach (var (index, name) in new[] { "a", "b" }.Index())
        {
            _agents.Add(new RunningAgent(_operator, Path.Combine(_folder, name), _wire, _time, name, index + 1, [ProtocolVersion.One]));
        }

        var (a, b) = (_agents[0].Plane, _agents[1].Plane);
        await UntilAsync(
            () => a.VersionWith(b) > 0 && b.VersionWith(a) > 0 && _agents.All(agent => agent.Status.Current.Applied is not null),
            "the agents do not come to a session");
        lock (_wire.Gate)
        {
            a.Send(Engine.Tests.Protocol.Host.Packet("10.1.0.1", "10.9.0.1", "to the laptop"));
        }
    }

    private async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, otherwise);
            _wire.Step([(_agents[0].Plane, _agents[1].Plane)]);
            await Task.Delay(5);
        }
    }

    private static async Task<string> ScrapeAsync(Uri address)
    {
        using var http = new HttpClient { BaseAddress = address };
        return await http.GetStringAsync("/metrics");
    }

    [GeneratedRegex("`(\\w+)`")]
    private static partial Regex Word();
}
