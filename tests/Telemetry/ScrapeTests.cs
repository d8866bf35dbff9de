using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry.Tests;

/// <summary>How requests share collections, seen from the exporter with a collection that the test holds up.</summary>
public sealed class ScrapeTests : IDisposable
{
    private readonly PrometheusExporter _exporter = new(NullLogger.Instance);
    private readonly SemaphoreSlim _goOn = new(0);
    private int _started;
    private int _atOnce;
    private int _mostAtOnce;

    public ScrapeTests() => _exporter.Collect = _ =>
    {
        Interlocked.Increment(ref _started);
        _mostAtOnce = Math.Max(_mostAtOnce, Interlocked.Increment(ref _atOnce));
        _goOn.Wait();
        Interlocked.Decrement(ref _atOnce);
        return true;
    };

    public void Dispose()
    {
        _goOn.Release(1000);
        _exporter.Dispose();
    }

    [Fact]
    public async Task Requests_that_meet_share_one_collection_and_later_ones_make_their_own()
    {
        using var first = _exporter.Join(ExpositionFormat.OpenMetrics);
        using var second = _exporter.Join(ExpositionFormat.OpenMetrics);
        Assert.Same(first, second);
        _goOn.Release();
        Assert.True(await first.Completed);

        _goOn.Release();
        using var third = _exporter.Join(ExpositionFormat.OpenMetrics);
        Assert.NotSame(first, third);
        Assert.True(await third.Completed);
        Assert.Equal(2, _started);
    }

    [Fact]
    public async Task The_text_stays_until_its_last_reader_is_done()
    {
        _goOn.Release(2);
        var slow = _exporter.Join(ExpositionFormat.OpenMetrics);
        await slow.Completed;
        using (var next = _exporter.Join(ExpositionFormat.OpenMetrics))
            await next.Completed;

        Assert.Equal("# EOF\n", Encoding.UTF8.GetString(slow.Buffer.Written.Span));
        slow.Dispose();
    }

    [Fact]
    public async Task Collections_of_both_formats_run_one_after_the_other()
    {
        using var text = _exporter.Join(ExpositionFormat.PrometheusText);
        using var openMetrics = _exporter.Join(ExpositionFormat.OpenMetrics);
        Assert.NotSame(text, openMetrics);
        _goOn.Release(2);

        Assert.True(await text.Completed);
        Assert.True(await openMetrics.Completed);
        Assert.Equal(1, _mostAtOnce);
    }

    [Fact]
    public async Task A_collection_that_hangs_is_answered_in_time_and_never_started_twice()
    {
        var endpoint = new ScrapeEndpoint(_exporter, TimeSpan.FromMilliseconds(50));
        for (var i = 0; i < 5; i++)
        {
            var (status, body) = await Answer(endpoint);
            Assert.Equal(503, status);
            Assert.Contains("longer than 0.05 s", body, StringComparison.Ordinal);
        }
        // it starts when a thread is free, which may be after those who asked have gone
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _started) > 0, TimeSpan.FromSeconds(60)));
        Assert.Equal(1, _started);

        using (var running = _exporter.Join(ExpositionFormat.PrometheusText))
        {
            _goOn.Release(2);
            await running.Completed;
        }
        var (after, _) = await Answer(new ScrapeEndpoint(_exporter, ScrapeEndpoint.DefaultTimeout));
        Assert.Equal(200, after);
    }

    [Fact]
    public async Task A_collection_that_fails_is_an_error_and_the_next_one_starts_afresh()
    {
        var endpoint = new ScrapeEndpoint(_exporter, ScrapeEndpoint.DefaultTimeout);
        _exporter.Collect = _ => false;
        Assert.Equal(500, (await Answer(endpoint)).Status);

        _exporter.Collect = _ => throw new InvalidOperationException("on purpose");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Answer(endpoint));

        _exporter.Collect = _ => true;
        Assert.Equal(200, (await Answer(endpoint)).Status);
    }

    [Fact]
    public async Task A_client_that_leaves_does_not_wait_for_the_collection()
    {
        var context = new DefaultHttpContext { RequestAborted = new CancellationToken(canceled: true) };
        await new ScrapeEndpoint(_exporter, ScrapeEndpoint.DefaultTimeout).InvokeAsync(context);

        Assert.Equal(StatusCodes.Status200OK, context.Response.StatusCode); // not the 503 of somebody who waited
    }

    private static async Task<(int Status, string Body)> Answer(ScrapeEndpoint endpoint)
    {
        var body = new MemoryStream();
        var context = new DefaultHttpContext();
        context.Response.Body = body;
        await endpoint.InvokeAsync(context);
        return (context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()));
    }
}
