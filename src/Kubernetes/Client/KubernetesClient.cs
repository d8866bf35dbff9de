using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes;

/// <summary>
/// Speaks with a Kubernetes API server. Thread-safe. Every call ends with an <see cref="ApiException"/> if the server refuses, with an
/// <see cref="HttpRequestException"/> if it cannot be reached, takes too long, breaks off or is not understood, and with a
/// <see cref="KubeConfigException"/> if credentials cannot be had; nothing is tried again but a request that met an old connection's end.
/// </summary>
public sealed class KubernetesClient : IDisposable
{
    /// <summary>So much later than the server is to end a watch, the client does.</summary>
    private static readonly TimeSpan WatchGrace = TimeSpan.FromSeconds(30);

    /// <summary>So much of an answer that is not Kubernetes' own, in characters, goes into a message.</summary>
    private const int MaxForeignText = 200;

    private static readonly ProductInfoHeaderValue UserAgent = new("wgmesh", typeof(KubernetesClient).Assembly.GetName().Version!.ToString(3));

    private readonly KubernetesClientConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _invoker;
    private readonly string _root;

    /// <param name="configuration">Where the server is, and who asks.</param>
    /// <param name="time">The clock; null: the system's.</param>
    /// <param name="handlers">See every request, the first one first; they belong to the client then.</param>
    public KubernetesClient(KubernetesClientConfiguration configuration, TimeProvider? time = null, params IReadOnlyList<DelegatingHandler> handlers)
    {
        _configuration = configuration;
        _time = time ?? TimeProvider.System;
        _root = configuration.Host.AbsoluteUri.TrimEnd('/');
        HttpMessageHandler chain = new AuthenticatingHandler(configuration, _time);
        foreach (var handler in handlers.Reverse())
        {
            handler.InnerHandler = chain;
            chain = handler;
        }

        _invoker = new HttpMessageInvoker(chain);
    }

    /// <summary>One object.</summary>
    /// <param name="space">Its namespace; null for cluster-scoped kinds.</param>
    /// <exception cref="ApiException">
    /// The server refused; <see cref="ApiException.StatusCode"/> 404: there is none. <see cref="ApiException.Unreadable"/>: it is not what its type says.
    /// </exception>
    public Task<T> GetAsync<T>(ResourceType<T> type, string name, string? space, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => SendAsync(type, new Request(HttpMethod.Get, Path(type, name, space)), cancellationToken);

    /// <summary>One object, or null if there is none. A kind that the server does not know is an error, not null.</summary>
    public async Task<T?> FindAsync<T>(ResourceType<T> type, string name, string? space, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        try
        {
            return await GetAsync(type, name, space, cancellationToken);
        }
        catch (ApiException e) when (e.IsObjectMissing)
        {
            return null;
        }
    }

    /// <summary>One page.</summary>
    public async Task<ListPage<T>> ListAsync<T>(ResourceType<T> type, ListOptions options, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        var query = new QueryText();
        query.Add("fieldSelector", options.FieldSelector);
        query.Add("limit", options.Limit > 0 ? $"{options.Limit}" : null);
        query.Add("continue", options.Continue);
        var request = new Request(HttpMethod.Get, Collection(type, options.Namespace), query.ToString());
        var answer = await SendAsync(request, cancellationToken);
        try
        {
            return ObjectReader.ReadPage(type, answer);
        }
        catch (JsonException e)
        {
            throw NotUnderstood(request, e);
        }
    }

    /// <summary>The changes after a version, in order, until the server ends the watch (which is normal) or it breaks.</summary>
    /// <exception cref="ApiException">The server refused, or sent an ERROR, e.g. 410: the version is too old.</exception>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ResourceType<T> type, WatchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        var query = new QueryText();
        query.Add("resourceVersion", options.ResourceVersion);
        query.Add("watch", "true");
        query.Add("allowWatchBookmarks", "true");
        query.Add("timeoutSeconds", $"{(long)Math.Ceiling(options.Timeout.TotalSeconds)}");
        var request = new Request(HttpMethod.Get, Collection(type, options.Namespace), query.ToString());

        using var deadline = Deadline.In(options.Timeout + WatchGrace, _time, cancellationToken);
        using var response = await OpenWatchAsync(request, deadline, cancellationToken);
        await using var body = await response.Content.ReadAsStreamAsync(deadline.Token);
        var lines = new LineReader(body);
        while (await ReadLineAsync(lines, request, deadline) is { } line)
        {
            if (line.IsEmpty)
                continue;
            WatchEvent<T>? change;
            try
            {
                change = ObjectReader.ReadEvent(type, line.Span, request.ToString());
            }
            catch (JsonException e)
            {
                throw NotUnderstood(request, e);
            }

            if (change is not null)
                yield return change;
        }
    }

    /// <summary>Makes an object; also how reviews are asked for.</summary>
    public Task<T> CreateAsync<T>(ResourceType<T> type, T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject =>
        SendAsync(type, new Request(HttpMethod.Post, CollectionOfOne(type, item.Metadata.Namespace)) { Body = Serialize(type, item) }, cancellationToken);

    /// <summary>Writes an object that was read, if it is still at its resourceVersion (409 if not). Fields that the type does not know are kept.</summary>
    /// <remarks>Only of kinds that hold what they do not know: Lease, ConfigMap and Secret.</remarks>
    public Task<T> ReplaceAsync<T>(ResourceType<T> type, T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        if (string.IsNullOrEmpty(item.Metadata.ResourceVersion))
            throw new ArgumentException("an object is replaced as it was read, and this one has no metadata.resourceVersion", nameof(item));
        var path = Path(type, item.Metadata.Name, item.Metadata.Namespace);
        return SendAsync(type, new Request(HttpMethod.Put, path) { Body = Serialize(type, item) }, cancellationToken);
    }

    /// <summary>
    /// Server-side apply of the fields that are in <paramref name="item"/>: these and only these belong to <paramref name="manager"/> then. A
    /// metadata.uid in it makes sure that no namesake is made or changed.
    /// </summary>
    /// <param name="item">The object as far as it is to be applied, with metadata.name; apiVersion and kind are put in.</param>
    /// <param name="force">Take fields from other managers; if not, a conflict is a 409.</param>
    public Task<T> ApplyAsync<T>(ResourceType<T> type, JsonObject item, string manager, bool force, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => ApplyAsync(type, item, "", manager, force, cancellationToken);

    /// <summary>The same through the status subresource, taking fields from other managers.</summary>
    public Task<T> ApplyStatusAsync<T>(ResourceType<T> type, JsonObject item, string manager, CancellationToken cancellationToken)
        where T : class, IKubernetesObject => ApplyAsync(type, item, "/status", manager, force: true, cancellationToken);

    /// <summary>Deletes an object. One that is not there, or (409) has another uid, is for the caller to mind.</summary>
    /// <param name="uid">Only the object with this uid; null: whichever has the name.</param>
    public async Task DeleteAsync<T>(ResourceType<T> type, string name, string? space, string? uid, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        var options = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "DeleteOptions" };
        if (uid is not null)
            options["preconditions"] = new JsonObject { ["uid"] = uid };
        await SendAsync(new Request(HttpMethod.Delete, Path(type, name, space)) { Body = Encoding.UTF8.GetBytes(options.ToJsonString()) }, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _invoker.Dispose();

    private Task<T> ApplyAsync<T>(
        ResourceType<T> type, JsonObject item, string subresource, string manager, bool force, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        var metadata = item["metadata"] as JsonObject;
        var name = (string?)metadata?["name"] ?? throw new ArgumentException("what is applied needs a metadata.name", nameof(item));
        var body = item.DeepClone().AsObject();
        (body["apiVersion"], body["kind"]) = (type.ApiVersion, type.Kind);
        var query = new QueryText();
        query.Add("fieldManager", manager);
        query.Add("force", force ? "true" : "false");
        return SendAsync(type, new Request(HttpMethod.Patch, Path(type, name, (string?)metadata!["namespace"]) + subresource, query.ToString())
        {
            // the server reads it as YAML, which has no surrogate pairs in its escapes as JSON does
            Body = Encoding.UTF8.GetBytes(YamlWriter.Write(body)),
            ContentType = "application/apply-patch+yaml",
        }, cancellationToken);
    }

    private static byte[] Serialize<T>(ResourceType<T> type, T item)
        where T : class, IKubernetesObject
    {
        (item.ApiVersion, item.Kind) = (type.ApiVersion, type.Kind); // the items of a list do not say it
        return JsonSerializer.SerializeToUtf8Bytes(item, type.OnTheWire);
    }

    /// <summary>Where the objects of a kind are, in one namespace or all.</summary>
    private static string Collection<T>(ResourceType<T> type, string? space)
        where T : class, IKubernetesObject
    {
        var version = type.ApiVersion.Contains('/', StringComparison.Ordinal) ? $"/apis/{type.ApiVersion}" : $"/api/{type.ApiVersion}";
        if (space is null)
            return $"{version}/{type.Plural}";
        if (!type.IsNamespaced || space.Length == 0)
            throw new ArgumentException(type.IsNamespaced ? "the namespace is empty" : $"a {type.Kind} belongs to no namespace", nameof(space));
        return $"{version}/namespaces/{Uri.EscapeDataString(space)}/{type.Plural}";
    }

    private static string CollectionOfOne<T>(ResourceType<T> type, string? space)
        where T : class, IKubernetesObject =>
        type.IsNamespaced && space is null
            ? throw new ArgumentException($"a {type.Kind} belongs to a namespace, and none is said", nameof(space))
            : Collection(type, space);

    private static string Path<T>(ResourceType<T> type, string name, string? space)
        where T : class, IKubernetesObject =>
        name.Length == 0
            ? throw new ArgumentException($"the name of the {type.Kind} is empty", nameof(name)) // it would mean all of them
            : $"{CollectionOfOne(type, space)}/{Uri.EscapeDataString(name)}";

    private async Task<T> SendAsync<T>(ResourceType<T> type, Request request, CancellationToken cancellationToken)
        where T : class, IKubernetesObject
    {
        var answer = await SendAsync(request, cancellationToken);
        try
        {
            var (item, unreadable) = ObjectReader.Read(type, answer);
            return item ?? throw new ApiException(200, ApiException.Unreadable, $"{request}: {unreadable!.Problem}");
        }
        catch (JsonException e)
        {
            throw NotUnderstood(request, e);
        }
    }

    /// <summary>Sends a request and reads the whole answer.</summary>
    private async Task<byte[]> SendAsync(Request request, CancellationToken cancellationToken)
    {
        using var deadline = Deadline.In(_configuration.HttpClientTimeout, _time, cancellationToken);
        try
        {
            using var response = await _invoker.SendAsync(Message(request), deadline.Token);
            var body = await response.Content.ReadAsByteArrayAsync(deadline.Token);
            return response.IsSuccessStatusCode ? body : throw Refusal(request, response, body);
        }
        catch (Exception e) when (IsFailure(e, deadline))
        {
            throw Failure(request, e, deadline);
        }
    }

    /// <summary>The answer to a watch up to its body; it comes at once, whether or not there are changes.</summary>
    private async Task<HttpResponseMessage> OpenWatchAsync(Request request, Deadline watch, CancellationToken cancellationToken)
    {
        using var deadline = Deadline.In(_configuration.HttpClientTimeout, _time, cancellationToken);
        try
        {
            var response = await _invoker.SendAsync(Message(request), deadline.Token);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                throw Refusal(request, response, await response.Content.ReadAsByteArrayAsync(deadline.Token));
            }
        }
        catch (Exception e) when (IsFailure(e, deadline))
        {
            throw Failure(request, e, deadline);
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(LineReader lines, Request request, Deadline deadline)
    {
        try
        {
            return await lines.ReadAsync(deadline.Token);
        }
        catch (Exception e) when (IsFailure(e, deadline))
        {
            throw Failure(request, e, deadline);
        }
    }

    private HttpRequestMessage Message(Request request)
    {
        var message = new HttpRequestMessage(request.Method, $"{_root}{request.Path}{request.Query}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        message.Headers.UserAgent.Add(UserAgent);
        message.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        // by the name in this header the certificate is checked, too
        message.Headers.Host = _configuration.TlsServerName;
        if (request.Body is not null)
            message.Content = new ByteArrayContent(request.Body) { Headers = { ContentType = new MediaTypeHeaderValue(request.ContentType) } };
        return message;
    }

    private ApiException Refusal(Request request, HttpResponseMessage response, byte[] body)
    {
        var code = (int)response.StatusCode;
        var header = response.Headers.RetryAfter;
        var retryAfter = header?.Delta ?? (header?.Date is { } date ? date - _time.GetUtcNow() : null);
        if (retryAfter < TimeSpan.Zero)
            retryAfter = TimeSpan.Zero;
        if (ObjectReader.ReadStatus(body) is { } status)
            return status.ToException(request.ToString(), code, retryAfter);

        var text = MessageText.Printable(Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 4 * MaxForeignText))).Trim(), MaxForeignText);
        var hint = code == (int)HttpStatusCode.NotFound ? "; the server does not know this kind, or not this version of it" : "";
        return new ApiException(code, "", $"{request}: the server answered {code}{(text.Length > 0 ? $" ({text})" : "")}{hint}") { RetryAfter = retryAfter };
    }

    /// <summary>What becomes one kind of exception for callers: all that may go wrong on the way, but not what they cancelled themselves.</summary>
    private static bool IsFailure(Exception e, Deadline deadline) =>
        // a connection that does not come about in its own time is a cancellation, too
        e is HttpRequestException or IOException || (e is OperationCanceledException && !deadline.IsCallers);

    private HttpRequestException Failure(Request request, Exception e, Deadline deadline)
    {
        var reason = deadline.IsOver && e is OperationCanceledException
            ? $"no end of the answer within {deadline.Limit.TotalSeconds:0.###} s"
            : e is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError, InnerException: { } inner } ? inner.Message
            : e is OperationCanceledException { InnerException: { } cause } ? cause.Message : e.Message;
        return new HttpRequestException((e as HttpRequestException)?.HttpRequestError ?? HttpRequestError.Unknown, $"{request} at {_root}: {reason}", e);
    }

    private HttpRequestException NotUnderstood(Request request, JsonException e) =>
        new(HttpRequestError.InvalidResponse, $"{request} at {_root}: the answer is not understood: {e.Message}", e);

    /// <summary>What is asked; its text is for messages.</summary>
    private sealed record Request(HttpMethod Method, string Path, string Query = "")
    {
        public byte[]? Body { get; init; }

        public string ContentType { get; init; } = "application/json";

        public override string ToString() => $"{Method} {Path}";
    }

    private sealed class QueryText
    {
        private readonly StringBuilder _text = new();

        public void Add(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                _text.Append(_text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }

        public override string ToString() => _text.ToString();
    }
}
