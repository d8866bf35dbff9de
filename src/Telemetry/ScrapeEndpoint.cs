using Microsoft.AspNetCore.Http;
using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry;

/// <summary>Answers one scrape request.</summary>
internal sealed class ScrapeEndpoint(PrometheusExporter exporter, TimeSpan timeout)
{
    /// <summary>Below Prometheus' default scrape timeout of ten seconds: the scraper then gets a reason instead of a cut connection.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(9);

    public async Task InvokeAsync(HttpContext context)
    {
        var format = ExpositionFormats.Negotiate(context.Request.Headers.Accept);
        var response = context.Response;
        using var scrape = exporter.Join(format);
        bool complete;
        try
        {
            complete = await scrape.Completed.WaitAsync(timeout, context.RequestAborted);
        }
        catch (TimeoutException)
        {
            response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            await response.WriteAsync($"collecting the metrics took longer than {timeout.TotalSeconds} s\n");
            return;
        }
        catch (OperationCanceledException)
        {
            return; // the client left
        }
        if (!complete)
        {
            response.StatusCode = StatusCodes.Status500InternalServerError;
            await response.WriteAsync("collecting the metrics failed; the log says why\n");
            return;
        }
        response.ContentType = format.ContentType();
        response.ContentLength = scrape.Buffer.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
            await response.Body.WriteAsync(scrape.Buffer.Written, context.RequestAborted);
    }
}
