using System.Buffers;
using System.Collections.Specialized;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using System.Web;

namespace WgMesh.Kubernetes.Tests;

/// <summary>Takes a client's requests and has the test answer them, one after the other, in its own time.</summary>
internal sealed class FakeApiServer : DelegatingHandler
{
    private readonly Channel<FakeCall> _calls = Channel.CreateUnbounded<FakeCall>();

    public KubernetesClient Client() => new(new KubernetesClientConfiguration { Host = new Uri("http://127.0.0.1:1") }, null, [this]);

    /// <summary>The next request that nobody has answered yet.</summary>
    public async Task<FakeCall> NextAsync()
    {
        using var limit = new CancellationTokenSource(Wait.Limit);
        return await _calls.Reader.ReadAsync(limit.Token);
    }

    /// <summary>Whether a request waits to be answered.</summary>
    public bool HasCall => _calls.Reader.Count > 0;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? null : await request.Content.ReadAsStringAsync(cancellationToken);
        var call = new FakeCall(request.Method, request.RequestUri!, body);
        await _calls.Writer.WriteAsync(call, cancellationToken);
        return await call.Response.WaitAsync(cancellationToken);
    }
}

/// <summary>A request.</summary>
internal sealed class FakeCall(HttpMethod method, Uri url, string? body)
{
    private readonly TaskCompletionSource<HttpResponseMessage> _response = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HttpMethod Method { get; } = method;

    public string Path { get; } = url.AbsolutePath;

    public NameValueCollection Query { get; } = HttpUtility.ParseQueryString(url.Query);

    public string? Body { get; } = body;

    public bool IsWatch => Query["watch"] == "true";

    public Task<HttpResponseMessage> Response => _response.Task;

    public void Answer(JsonNode body, int status = 200, TimeSpan? retryAfter = null)
    {
        var response = new HttpResponseMessage((HttpStatusCode)status)
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        if (retryAfter is { } delay)
            response.Headers.RetryAfter = new RetryConditionHeaderValue(delay);
        _response.SetResult(response);
    }

    public void Refuse(int status, string reason, TimeSpan? retryAfter = null) => Answer(Status(status, reason), status, retryAfter);

    public void Fail(Exception exception) => _response.SetException(exception);

    /// <summary>Nobody is there.</summary>
    public void RefuseConnection() => Fail(new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused"));

    public FakeWatch Stream()
    {
        var watch = new FakeWatch();
        _response.SetResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(watch.Body) });
        return watch;
    }

    public static JsonObject Status(int code, string reason) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Status",
        ["status"] = "Failure",
        ["message"] = $"{reason} it is",
        ["reason"] = reason,
        ["code"] = code,
    };
}

/// <summary>The answer to a watch, as far as it has been given.</summary>
internal sealed class FakeWatch
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));

    public Stream Body => _pipe.Reader.AsStream();

    public void Send(params IEnumerable<(string Type, JsonObject Item)> events)
    {
        var text = new StringBuilder();
        foreach (var (type, item) in events)
            text.Append(new JsonObject { ["type"] = type, ["object"] = item }.ToJsonString()).Append('\n');
        _pipe.Writer.Write(Encoding.UTF8.GetBytes(text.ToString()));
        _pipe.Writer.FlushAsync().GetAwaiter().GetResult();
    }

    public void Error(int code, string reason) => Send(("ERROR", FakeCall.Status(code, reason)));

    /// <summary>The server ends it, as it does when its time is over.</summary>
    public void End() => _pipe.Writer.Complete();

    /// <summary>The connection breaks.</summary>
    public void Break() => _pipe.Writer.Complete(new IOException("connection reset by peer"));
}
