using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using WgMesh.Rpc.Protocol;
using Timeout = WgMesh.Rpc.Protocol.Timeout;

namespace WgMesh.Rpc.Client;

/// <summary>
/// One call over one HTTP/2 stream, from its headers to its status (PROTOCOL-HTTP2.md). It ends once, with the first of: the status that
/// the server sent, a failure, the deadline, cancellation, disposal. Ending it frees everything and resets the stream if that is not done.
/// Reads and writes are each one at a time.
/// </summary>
internal sealed class ClientCall<TRequest, TResponse> : IDisposable
    where TRequest : class
    where TResponse : class
{
    private static readonly TimeSpan LongestTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    // User-Agent → "grpc-" Language ?("-" Variant) "/" Version (PROTOCOL-HTTP2.md, "User Agents")
    private static readonly string UserAgent =
        $"grpc-csharp-wgmesh/{typeof(GrpcChannel).Assembly.GetName().Version?.ToString(3)}";

    private readonly GrpcChannel _channel;
    private readonly Method<TRequest, TResponse> _method;
    private readonly string? _host;
    private readonly CallOptions _options;
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource<Metadata> _headers = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Guards the fields below it.
    private readonly Lock _gate = new();
    private Outcome? _outcome;
    private HttpResponseMessage? _response;
    private bool _reading;
    private bool _writing;
    private bool _requestsComplete;

    private bool _anyResponse;
    private RequestContent? _content;
    private FrameBuffer? _frame;
    private FrameReader? _reader;
    private Task _started = Task.CompletedTask;
    private Timer? _timer;
    private CancellationTokenRegistration _userCancellation;
    private CancellationTokenRegistration _channelShutdown;

    private ClientCall(GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        _channel = channel;
        _method = method;
        _host = host;
        _options = options;
    }

    private sealed record Outcome(Status Status, Metadata Trailers);

    /// <summary>The response headers, or what the call ended with before there were any.</summary>
    public Task<Metadata> ResponseHeadersAsync => _headers.Task;

    /// <summary>Starts a call. The request is that of a method that takes one; null: requests are written.</summary>
    public static ClientCall<TRequest, TResponse> Start(
        GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest? request)
    {
        ObjectDisposedException.ThrowIf(channel.Shutdown.IsCancellationRequested, channel);
        if (options.Credentials is not null && !channel.MaySendCallCredentials)
            throw new InvalidOperationException($"The call of {method.FullName} has credentials but its channel has no TLS.");
        if (options.Deadline is { Kind: not DateTimeKind.Utc } deadline && deadline != DateTime.MaxValue && deadline != DateTime.MinValue)
            throw new InvalidOperationException($"The deadline of a call must be in UTC; this one's kind is {deadline.Kind}.");
        if (method.Type is MethodType.Unary or MethodType.ServerStreaming)
            ArgumentNullException.ThrowIfNull(request);

        var call = new ClientCall<TRequest, TResponse>(channel, method, host, options);
        call._started = call.StartAsync(request);
        return call;
    }

    /// <summary>Reads the next response.</summary>
    /// <returns>The response; null: the call ended with OK.</returns>
    /// <exception cref="RpcException">The call ended with another status.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way.</exception>
    public async Task<TResponse?> ReadAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_reading)
                throw new InvalidOperationException("Another read is under way: one read at a time.");
            _reading = true;
        }

        try
        {
            using var registration = cancellationToken.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancelled(), this);
            await _started.ConfigureAwait(false);
            return Ended() is { } earlier ? ResultOf(earlier) : await ReadCoreAsync().ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
                _reading = false;
        }
    }

    /// <summary>Reads the response of a method that gives one.</summary>
    /// <exception cref="RpcException">
    /// The call ended with another status than OK; UNIMPLEMENTED: with none or more than one response ("Response cardinality
    /// violation", statuscodes.md).
    /// </exception>
    public async Task<TResponse> ReadOnlyResponseAsync()
    {
        var response = (await ReadAsync(CancellationToken.None).ConfigureAwait(false))!; // OK without a response is made an error below.
        if (Ended() is null && await ReadAsync(CancellationToken.None).ConfigureAwait(false) is not null)
        {
            End(new Status(StatusCode.Unimplemented, "The method gives one response, but more were sent."), Metadata.Empty);
            ResultOf(Ended()!);
        }

        return response;
    }

    /// <summary>Sends a request.</summary>
    /// <exception cref="RpcException">The call has ended, perhaps while the request was on its way; RESOURCE_EXHAUSTED: it ends, since the message is too large.</exception>
    /// <exception cref="InvalidOperationException">Another write is under way, or the requests are complete.</exception>
    public async Task WriteAsync(TRequest message, bool flush, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_requestsComplete)
                throw new InvalidOperationException("The requests are complete: no more can be written.");
            if (_writing)
                throw new InvalidOperationException("Another write is under way: one write at a time.");
            _writing = true;
        }

        try
        {
            using var registration = cancellationToken.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancelled(), this);
            await WriteCoreAsync(message, flush).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _writing = false;
                FreeFrameIfUnused();
            }
        }
    }

    /// <summary>Tells the server that no more requests follow.</summary>
    /// <exception cref="InvalidOperationException">A write is under way.</exception>
    public Task CompleteRequests()
    {
        lock (_gate)
        {
            if (_writing)
                return Task.FromException(new InvalidOperationException("A write is under way: await it before completing."));
            _requestsComplete = true;
        }

        (_content as StreamedRequests)?.Complete();
        return Task.CompletedTask;
    }

    public Status GetStatus() => (Ended() ?? throw new InvalidOperationException("The call is not over: it has no status yet.")).Status;

    public Metadata GetTrailers() => (Ended() ?? throw new InvalidOperationException("The call is not over: it has no trailers yet.")).Trailers;

    public void Dispose() => End(new Status(StatusCode.Cancelled, "The call was disposed before it was over."), Metadata.Empty);

    private async Task StartAsync(TRequest? request)
    {
        try
        {
            if (!BeginLimits())
                return;

            _frame = new FrameBuffer();
            if (request is null)
                _content = new StreamedRequests();
            else
                _content = new SingleRequest(_frame, _frame.Frame(request, _method.RequestMarshaller, _channel.MaxSendMessageSize));

            // Not disposed here: its content is at work until the call ends.
            var message = await MakeRequestAsync().ConfigureAwait(false);
            var response = await _channel.SendAsync(message, _cancellation.Token).ConfigureAwait(false);
            await ReceiveHeadersAsync(response).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            End(e.Status, e.Trailers);
        }
        catch (Exception e)
        {
            End(TransportError.Of(e), Metadata.Empty);
        }
    }

    // What may end the call from outside. False: it has ended at once.
    private bool BeginLimits()
    {
        if (_options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            var left = deadline - DateTime.UtcNow;
            if (left <= TimeSpan.Zero)
            {
                Expire();
                return false;
            }

            if (left <= LongestTimer)
            {
                _timer = new Timer(
                    static call => ((ClientCall<TRequest, TResponse>)call!).Expire(), this, left, System.Threading.Timeout.InfiniteTimeSpan);
            }
        }

        _userCancellation = _options.CancellationToken.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancelled(), this);
        _channelShutdown = _channel.Shutdown.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).End(
                new Status(StatusCode.Cancelled, "The channel was disposed."), Metadata.Empty),
            this);
        if (Ended() is null)
            return true;
        EndLimits();
        return false;
    }

    private void EndLimits()
    {
        _timer?.Dispose();
        _userCancellation.Unregister();
        _channelShutdown.Unregister();
    }

    // Request-Headers → Call-Definition *Custom-Metadata, the timeout first. (The handler sends the content type last.)
    private async Task<HttpRequestMessage> MakeRequestAsync()
    {
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_channel.Address, _method.FullName))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = _content,
        };
        var credentials = await CredentialsAsync().ConfigureAwait(false);
        if (_options.Deadline is { } deadline && deadline != DateTime.MaxValue)
            message.Headers.TryAddWithoutValidation(Timeout.HeaderName, Timeout.Format(deadline - DateTime.UtcNow));
        message.Headers.TryAddWithoutValidation(Headers.Te, Headers.Trailers);
        message.Headers.TryAddWithoutValidation(Headers.AcceptEncoding, Headers.Identity);
        message.Headers.TryAddWithoutValidation("user-agent", UserAgent);
        if (_host is not null)
            message.Headers.Host = _host;
        foreach (var entry in (_options.Headers ?? Metadata.Empty).Concat(credentials))
        {
            if (Headers.IsCustom(entry.Key) && entry.Key != "user-agent")
                message.Headers.TryAddWithoutValidation(entry.Key, Headers.Format(entry));
        }

        return message;
    }

    private async Task<Metadata> CredentialsAsync()
    {
        var credentials = new Metadata();
        var context = new AuthInterceptorContext(
            new Uri(_channel.Address, _method.ServiceName).ToString(), _method.Name, _cancellation.Token);
        try
        {
            if (_channel.CallCredentials is { } ofChannel)
                await ofChannel.AddAsync(context, credentials).WaitAsync(_cancellation.Token).ConfigureAwait(false);
            if (_options.Credentials is { } ofCall)
                await ofCall.AddAsync(context, credentials).WaitAsync(_cancellation.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not RpcException && !_cancellation.IsCancellationRequested)
        {
            // "Credentials failed to get metadata": UNAUTHENTICATED (statuscodes.md). What failed may quote the credential.
            throw new RpcException(new Status(StatusCode.Unauthenticated, "The credentials of the call could not be had.", e));
        }

        return credentials;
    }

    private async Task ReceiveHeadersAsync(HttpResponseMessage response)
    {
        lock (_gate)
        {
            if (_outcome is null)
                _response = response;
        }

        if (_response is null)
        {
            response.Dispose();
            return;
        }

        var metadata = Received(response.Headers);
        if (response.Headers.NonValidated.Contains(Headers.Status))
        {
            // Trailers-Only: "If grpc-status was provided, it must be used", whatever the HTTP status (http-grpc-status-mapping.md).
            _headers.TrySetResult(metadata);
            End(Judge(StatusIn(response.Headers)), metadata);
            return;
        }

        var contentType = response.Content.Headers.NonValidated.TryGetValues("content-type", out var values) ? values.ToString() : null;
        if (response.StatusCode != HttpStatusCode.OK || !Headers.IsGrpcContentType(contentType))
        {
            End(
                new Status(
                    TransportError.Of(response.StatusCode),
                    $"The server does not answer with gRPC: HTTP status {(int)response.StatusCode}, content type '{contentType}'."),
                metadata);
            return;
        }

        var encoding = response.Headers.NonValidated.TryGetValues(Headers.Encoding, out var encodings) ? encodings.ToString() : null;
        var body = await response.Content.ReadAsStreamAsync(_cancellation.Token).ConfigureAwait(false);
        _reader = new FrameReader(
            PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16 * 1024)),
            _channel.MaxReceiveMessageSize, encoding, StatusCode.Internal);
        _headers.TrySetResult(metadata);
    }

    private async Task<TResponse?> ReadCoreAsync()
    {
        try
        {
            if (await _reader!.ReadAsync(_method.ResponseMarshaller, _cancellation.Token).ConfigureAwait(false) is { } message)
            {
                _anyResponse = true;
                return message;
            }

            var trailers = _response!.TrailingHeaders;
            End(Judge(StatusIn(trailers)), Received(trailers));
        }
        catch (RpcException e)
        {
            End(e.Status, Metadata.Empty);
        }
        catch (Exception e)
        {
            End(TransportError.Of(e), Metadata.Empty);
        }

        return ResultOf(Ended()!);
    }

    // "Response cardinality violation": UNIMPLEMENTED (statuscodes.md).
    private Status Judge(Status status) =>
        status.StatusCode == StatusCode.OK && !_anyResponse && (_method.Type is MethodType.Unary or MethodType.ClientStreaming)
            ? new Status(StatusCode.Unimplemented, "The method gives one response, but none was sent.")
            : status;

    private async Task WriteCoreAsync(TRequest message, bool flush)
    {
        try
        {
            ThrowIfEnded();
            var stream = await ((StreamedRequests)_content!).Stream.WaitAsync(_cancellation.Token).ConfigureAwait(false);
            var frame = _frame!.Frame(message, _method.RequestMarshaller, _channel.MaxSendMessageSize);
            await stream.WriteAsync(frame, _cancellation.Token).ConfigureAwait(false);
            if (flush)
                await stream.FlushAsync(_cancellation.Token).ConfigureAwait(false);
            _frame.Trim();
        }
        catch (RpcException e)
        {
            End(e.Status, Metadata.Empty);
            throw;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException or ObjectDisposedException)
        {
            // If the server ended the call, what it said is still to be read; else the transport failed, which the start of the call knows.
            await _started.ConfigureAwait(false);
            ThrowIfEnded();
            throw new RpcException(new Status(
                StatusCode.Cancelled, "The server takes no more requests on this call; its status comes with the responses.", e));
        }
    }

    private void Expire() => End(DeadlineRule.Exceeded, Metadata.Empty);

    private void Cancelled() => End(new Status(StatusCode.Cancelled, "The call was cancelled by its caller."), Metadata.Empty);

    // Only the first end counts. Disposing the response resets the stream with CANCEL if it has not ended ("Client Cancellation").
    private void End(Status status, Metadata trailers)
    {
        HttpResponseMessage? response;
        lock (_gate)
        {
            if (_outcome is not null)
                return;

            (status, trailers) = DeadlineRule.Apply(status, trailers, _options.Deadline, DateTime.UtcNow);
            _outcome = new Outcome(status, trailers);
            response = _response;
            FreeFrameIfUnused();
        }

        EndLimits();
        _cancellation.Cancel();
        response?.Dispose();
        _content?.Dispose();
        (_content as StreamedRequests)?.Complete();
        if (_headers.TrySetException(new RpcException(status, trailers)))
            _ = _headers.Task.Exception; // Nobody has to await the headers.
    }

    // A streamed call's buffer; that of a single request belongs to its content.
    private void FreeFrameIfUnused()
    {
        if (_outcome is not null && !_writing && _content is StreamedRequests)
            _frame?.Dispose();
    }

    private Outcome? Ended()
    {
        lock (_gate)
            return _outcome;
    }

    private static TResponse? ResultOf(Outcome outcome) =>
        outcome.Status.StatusCode == StatusCode.OK ? null : throw new RpcException(outcome.Status, outcome.Trailers);

    private void ThrowIfEnded()
    {
        if (Ended() is not { } outcome)
            return;
        ResultOf(outcome);
        throw new InvalidOperationException("The call has ended: no more requests can be written.");
    }

    private static Metadata Received(HttpHeaders headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers.NonValidated)
        {
            foreach (var value in values)
                Headers.AddReceived(metadata, name, value);
        }

        return metadata;
    }

    // "Error parsing returned status": UNKNOWN (statuscodes.md), as is one that is missing.
    private static Status StatusIn(HttpHeaders headers)
    {
        if (!headers.NonValidated.TryGetValues(Headers.Status, out var codes))
            return new Status(StatusCode.Unknown, $"The response ended without {Headers.Status}.");
        if (!Headers.TryParseStatus(codes.ToString(), out var code))
            return new Status(StatusCode.Unknown, $"The {Headers.Status} of the response is not a number.");

        var message = headers.NonValidated.TryGetValues(Headers.Message, out var messages) ? messages.ToString() : "";
        return new Status(code, PercentEncoding.Decode(message));
    }
}
