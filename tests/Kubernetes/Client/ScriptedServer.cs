using System.Net;
using System.Text;

namespace WgMesh.Kubernetes.Tests;

/// <summary>Answers requests in the order of a script, without a network, and remembers them.</summary>
internal sealed class ScriptedServer : DelegatingHandler
{
    private readonly Queue<Func<CancellationToken, Task<HttpResponseMessage>>> _answers = [];

    public List<(string Request, string? ContentType, string? Body)> Requests { get; } = [];

    /// <summary>The headers of the last request.</summary>
    public string LastHeaders { get; private set; } = "";

    public KubernetesClient Client(TimeProvider? time = null, string host = "https://192.0.2.1:6443") =>
        new(new KubernetesClientConfiguration { Host = new Uri(host), AccessToken = "t0ken" }, time, this);

    public ScriptedServer Answer(string body, HttpStatusCode code = HttpStatusCode.OK, string? retryAfter = null) => Answer(_ =>
    {
        var response = new HttpResponseMessage(code) { Content = new StringContent(body) };
        if (retryAfter is not null)
            response.Headers.Add("Retry-After", retryAfter);
        return Task.FromResult(response);
    });

    /// <summary>A body that is sent as the stream has it.</summary>
    public ScriptedServer Answer(Stream body) => Answer(_ => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(body) }));

    public ScriptedServer Answer(Func<CancellationToken, Task<HttpResponseMessage>> answer)
    {
        _answers.Enqueue(answer);
        return this;
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? null : Encoding.UTF8.GetString(await request.Content.ReadAsByteArrayAsync(cancellationToken));
        Requests.Add(($"{request.Method} {request.RequestUri!.PathAndQuery}", request.Content?.Headers.ContentType?.MediaType, body));
        LastHeaders = request.Headers.ToString();
        return await _answers.Dequeue()(cancellationToken);
    }
}

/// <summary>A body that comes in pieces of the test's choice, and then ends, breaks or comes no further.</summary>
internal sealed class PiecewiseStream(IEnumerable<byte[]> pieces, Exception? end = null, bool isStalling = false) : MemoryStream
{
    private readonly Queue<byte[]> _pieces = new(pieces);

    public override bool CanSeek => false;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_pieces.TryDequeue(out var piece))
        {
            if (isStalling)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return end is null ? 0 : throw end;
        }

        var length = Math.Min(piece.Length, buffer.Length);
        piece.AsSpan(0, length).CopyTo(buffer.Span);
        if (length < piece.Length)
        {
            var rest = _pieces.ToArray();
            _pieces.Clear();
            _pieces.Enqueue(piece[length..]);
            foreach (var later in rest)
                _pieces.Enqueue(later);
        }

        return length;
    }
}
