using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace WgMesh.Telemetry.Tests;

/// <summary>An application on a free loopback port that serves one meter's metrics, set up as users set it up.</summary>
internal sealed class ScrapedApp : IAsyncDisposable
{
    /// <summary>Serves text 0.0.4 whatever the client prefers: Prometheus cannot be told to ask for it.</summary>
    public const string TextPath = "/metrics-text";

    public const string OpenMetrics = "application/openmetrics-text; version=1.0.0";

    private readonly WebApplication _app;
    private readonly HttpClient _client;

    private ScrapedApp(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.First());
        _client = new HttpClient { BaseAddress = Address };
    }

    public Uri Address { get; }

    public static async Task<ScrapedApp> Start(Action<MeterProviderBuilder> metrics)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.Clear().AddAttributes([new("service.name", "wgmesh-test")]))
            .WithMetrics(m =>
            {
                metrics(m);
                m.AddPrometheusExporter();
            });
        var app = builder.Build();
        app.Use((context, next) =>
        {
            if (context.Request.Path == TextPath)
                context.Request.Headers.Accept = default;
            return next(context);
        });
        app.MapPrometheusScrapingEndpoint();
        app.MapPrometheusScrapingEndpoint(TextPath);
        await app.StartAsync();
        return new ScrapedApp(app);
    }

    public async Task<string> Scrape(string? accept = null)
    {
        using var response = await Get(accept);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>The sample lines, without comments and target_info, and without the scope labels that all have.</summary>
    public async Task<string[]> Samples(string? accept = null) => [.. (await Scrape(accept)).Split('\n')
        .Where(line => line.Length > 0 && line[0] != '#' && !line.StartsWith("target_info", StringComparison.Ordinal))];

    public async Task<HttpResponseMessage> Get(string? accept, HttpMethod? method = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, "/metrics");
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);
        return await _client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
    }
}
