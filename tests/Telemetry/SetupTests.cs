using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace WgMesh.Telemetry.Tests;

public class SetupTests
{
    [Fact]
    public async Task Mapping_without_metrics_says_what_to_call()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();
        var error = Assert.Throws<InvalidOperationException>(() => app.MapPrometheusScrapingEndpoint());
        Assert.Contains("WithMetrics", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mapping_without_the_exporter_says_what_to_call()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddOpenTelemetry().WithMetrics(_ => { });
        await using var app = builder.Build();
        var error = Assert.Throws<InvalidOperationException>(() => app.MapPrometheusScrapingEndpoint());
        Assert.Contains("AddPrometheusExporter", error.Message, StringComparison.Ordinal);
    }
}
