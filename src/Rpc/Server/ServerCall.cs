using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using WgMesh.Rpc.Protocol;
using Timeout = WgMesh.Rpc.Protocol.Timeout;

namespace WgMesh.Rpc.Server;

/// <summary>
/// One call over one HTTP/2 stream, from its headers to its status (PROTOCOL-HTTP2.md). The status is sent once: when the handler is
/// done or, if that is earlier, when the deadline passes. Reads and writes are each one at a time.
/// </summary>
internal sealed class ServerCall : ServerCallContext
{
    // HTTP/2 error codes (RFC 9113, section 7).
    private const int NoError = 0x0;
    private const int InternalError = 0x2;
    private const int Cancel = 0x8;

    // What a timer can wait for; a deadline beyond it (49 days) is told to the handler but not enforced.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly GrpcServiceOptions _options;
    private readonly ILogger _logger;
    private readonly FrameReader _reader;
    private readonly FrameBuffer _frame = new();

    // Guards what is sent: _writing, _wrote, _ended, _expiry.
    private readonly Lock _sendGate = new();
    private readonly Lock _readGate = new();

    private CancellationToken _cancellationToken;
    private CancellationTokenSource? _cancellation;
    private Timer? _timer;
    private DateTime _deadline = DateTime.MaxValue;
    private Metadata? _requestHeaders;
    private Metadata? _responseTrailers;
    private Task _reading = Task.CompletedTask;
    private Task _writing = Task.CompletedTask;
    private Task? _expiry;
    private bool _wrote;
    private bool _ended;
    private bool _readsEnded;
    private bool _requestBroken;

    private ServerCall(HttpContext http, GrpcServiceOptions options, ILogger logger)
    {
        HttpContext = http;
        _options = options;
        _logger = logger;
        _cancellationToken = http.RequestAborted;
        _reader = new FrameReader(
            http.Request.BodyReader, options.MaxReceiveMessageSize, http.Request.Headers[Headers.Encoding], StatusCode.Unimplemented);
    }

    public HttpContext HttpContext { get; }

    protected override string MethodCore => HttpContext.Request.Path.Value ?? "";

    protected override string HostCore => HttpContext.Request.Host.Value ?? "";

    protected override string PeerCore
    {
        get
        {
            var connection = HttpContext.Connection;
            return connection.RemoteIpAddress switch
            {
                null => "unknown",
                { AddressFamily: AddressFamily.InterNetworkV6 } address =>
                    string.Create(CultureInfo.InvariantCulture, $"ipv6:[{address}]:{connection.RemotePort}"),
                var address => string.Create(CultureInfo.InvariantCulture, $"ipv4:{address}:{connection.RemotePort}"),
            };
        }
    }

    protected override DateTime DeadlineCore => _deadline;

    protected override Metadata RequestHeadersCore => _requestHeaders ??= ReadRequestHeaders();

    protected override CancellationToken CancellationTokenCore => _cancellationToken;

    protected override Metadata ResponseTrailersCore => _responseTrailers ??= [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    /// <summary>Carries a call from the headers of its request to its status. Throws nothing that the handler throws.</summary>
    public static async Task RunAsync(HttpContext http, GrpcServiceOptions options, ILogger logger, Func<ServerCall, Task> handler)
    {
        if (!Accept(http, logger))
            return;

        var call = new ServerCall(http, options, logger);
        Status status;
        try
        {
            call.Begin();
            await handler(call).ConfigureAwait(false);
            status = call.StatusCore;
        }
        catch (Exception e)
        {
            status = call.StatusOf(e);
        }

        await call.EndAsync(status).ConfigureAwait(false);
    }

    /// <summary>Reads the next request.</summary>
    /// <returns>The request; null: the client has sent all.</returns>
    /// <exception cref="InvalidOperationException">Another read is under way, or the call is over.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled, the deadline passed, or the client is gone.</exception>
    /// <exception cref="RpcException">What arrived is not a message; see <see cref="FrameReader"/>.</exception>
    public Task<T?> ReadAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        lock (_readGate)
        {
            if (_readsEnded)
                return Task.FromException<T?>(new InvalidOperationException("The call is over: no more requests can be read."));
            if (!_reading.IsCompleted)
                return Task.FromException<T?>(new InvalidOperationException("Another read is under way: one read at a time."));

            var reading = ReadCoreAsync(marshaller, cancellationToken);
            _reading = reading;
            return reading;
        }
    }

    /// <summary>Reads the request of a method that takes one.</summary>
    /// <exception cref="RpcException">UNIMPLEMENTED: none or more than one ("Request cardinality violation", statuscodes.md).</exception>
    public async Task<T> ReadOnlyRequestAsync<T>(Marshaller<T> marshaller)
        where T : class
    {
        var request = await ReadAsync(marshaller, CancellationToken.None).ConfigureAwait(false)
            ?? throw new RpcException(new Status(StatusCode.Unimplemented, "The method takes one request, but none was sent."));
        if (await ReadAsync(marshaller, CancellationToken.None).ConfigureAwait(false) is not null)
            throw new RpcException(new Status(StatusCode.Unimplemented, "The method takes one request, but more were sent."));
        return request;
    }

    /// <summary>Sends a response, whose frame is built by a function that is given the largest size of a message.</summary>
    /// <exception cref="InvalidOperationException">Another write is under way, or the call is over.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled, the deadline passed, or the client is gone.</exception>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED: the message is too large. Nothing was sent.</exception>
    public Task WriteAsync(
        Func<FrameBuffer, int?, ReadOnlyMemory<byte>> serialize, WriteOptions? writeOptions, CancellationToken cancellationToken)
    {
        lock (_sendGate)
        {
            if (CheckSend() is { } wrong)
                return Task.FromException(wrong);

            var flush = (writeOptions ?? WriteOptionsCore)?.Flags.HasFlag(WriteFlags.BufferHint) is not true;
            return _writing = WriteCoreAsync(serialize, flush, cancellationToken);
        }
    }

    /// <summary>Sends the response of a method that gives one; it leaves together with the status.</summary>
    public async Task WriteOnlyResponseAsync<T>(T? response, Marshaller<T> marshaller)
        where T : class
    {
        if (response is null)
            throw new InvalidOperationException($"The handler of {Method} returned no response.");
        if (StatusCore.StatusCode != StatusCode.OK)
            return;
        await WriteAsync((frame, max) => frame.Frame(response, marshaller, max), new WriteOptions(WriteFlags.BufferHint), CancellationToken.None)
            .ConfigureAwait(false);
    }

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        ArgumentNullException.ThrowIfNull(responseHeaders);
        lock (_sendGate)
        {
            if (CheckSend() is { } wrong)
                return Task.FromException(wrong);
            if (_wrote)
                return Task.FromException(new InvalidOperationException("The response headers are sent already."));

            _wrote = true;
            Append(HttpContext.Response.Headers, responseHeaders);
            return _writing = HttpContext.Response.BodyWriter.FlushAsync().AsTask();
        }
    }

    // "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP status of 415".
    private static bool Accept(HttpContext http, ILogger logger)
    {
        if (!Headers.IsGrpcContentType(http.Request.ContentType))
        {
            Log.NotGrpc(logger, http.Request.Path, "its content type is not application/grpc");
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return false;
        }

        if (!HttpProtocol.IsHttp2(http.Request.Protocol))
        {
            Log.NotGrpc(logger, http.Request.Path, "it is not HTTP/2");
            http.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            http.Response.Headers.Upgrade = "h2c";
            return false;
        }

        return true;
    }

    private void Begin()
    {
        HttpContext.Response.ContentType = Headers.ContentType;

        // A stream may live for as long as both sides, carry any amount and be silent for any time; the limit is that of a message.
        if (HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        if (HttpContext.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = null;

        // "The server will then include in its response a grpc-accept-encoding header" (compression.md): said before any message shows it.
        if (HttpContext.Request.Headers[Headers.Encoding] is [{ } encoding] && encoding != Headers.Identity)
            HttpContext.Response.Headers[Headers.AcceptEncoding] = Headers.Identity;

        // "If Timeout is omitted a server should assume an infinite timeout."
        if (HttpContext.Request.Headers[Timeout.HeaderName] is not [{ } text, ..])
            return;
        if (!Timeout.TryParse(text, out var timeout))
        {
            throw new RpcException(new Status(
                StatusCode.Internal, $"The header {Timeout.HeaderName} must be at most 8 digits and one of H M S m u n."));
        }

        var now = DateTime.UtcNow;
        _deadline = timeout < DateTime.MaxValue - now ? now + timeout : DateTime.MaxValue;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(HttpContext.RequestAborted);
        _cancellationToken = _cancellation.Token;
        if (timeout <= LongestTimer)
            _timer = new Timer(call => ((ServerCall)call!).Expire(), this, timeout, System.Threading.Timeout.InfiniteTimeSpan);
    }

    private Metadata ReadRequestHeaders()
    {
        var metadata = new Metadata();
        foreach (var (name, values) in HttpContext.Request.Headers)
        {
            foreach (var value in values)
                Headers.AddReceived(metadata, name, value ?? "");
        }

        return metadata;
    }

    private async Task<T?> ReadCoreAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        using var linked = cancellationToken.CanBeCanceled && cancellationToken != _cancellationToken
            ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _cancellationToken)
            : null;
        try
        {
            return await _reader.ReadAsync(marshaller, linked?.Token ?? _cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            // The stream was reset or the connection is gone; Kestrel tells the token a little later.
            _requestBroken = true;
            throw new OperationCanceledException("The client is gone.", e);
        }
    }

    private Exception? CheckSend()
    {
        if (_expiry is not null || _cancellationToken.IsCancellationRequested)
            return new OperationCanceledException("The call was cancelled or its deadline has passed.", _cancellationToken);
        if (_ended)
            return new InvalidOperationException("The call is over: nothing more can be sent.");
        return _writing.IsCompleted ? null : new InvalidOperationException("Another write is under way: one write at a time.");
    }

    private async Task WriteCoreAsync(
        Func<FrameBuffer, int?, ReadOnlyMemory<byte>> serialize, bool flush, CancellationToken cancellationToken)
    {
        var frame = serialize(_frame, _options.MaxSendMessageSize);
        var writer = HttpContext.Response.BodyWriter;
        _wrote = true;
        writer.Write(frame.Span);
        _frame.Trim();
        if (flush)
            await writer.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private Status StatusOf(Exception exception)
    {
        if (exception is RpcException rpc)
        {
            foreach (var entry in rpc.Trailers)
                ResponseTrailersCore.Add(entry);
            return rpc.Status;
        }

        if (exception is OperationCanceledException && (_requestBroken || _expiry is not null || _cancellationToken.IsCancellationRequested))
        {
            Log.Cancelled(_logger, Method);
            return Status.DefaultCancelled;
        }

        // "Server side application throws an exception": UNKNOWN (statuscodes.md).
        Log.HandlerFailed(_logger, Method, exception);
        var detail = "Exception was thrown by handler.";
        return new Status(
            StatusCode.Unknown,
            _options.EnableDetailedErrors is true ? $"{detail} {exception.GetType().Name}: {exception.Message}" : detail);
    }

    // The deadline has passed while the handler is at work. "The server should locally cancel the RPC and send RST_STREAM with CANCEL"
    // (PROTOCOL-HTTP2.md, "Client Cancellation"). Where the response can still be ended in order the status says so instead, which a
    // client whose clock is slower understands without guessing; RST_STREAM is left for a message that is half sent.
    private void Expire()
    {
        lock (_sendGate)
        {
            if (_ended)
                return;
            _ended = true;
            var between = _writing.IsCompleted;
            _expiry = Task.Run(() => ExpireAsync(between));
        }
    }

    private async Task ExpireAsync(bool betweenMessages)
    {
        Log.DeadlineExceeded(_logger, Method);
        try
        {
            var cancelled = _cancellation!.CancelAsync();
            if (betweenMessages)
            {
                await SendStatusAsync(new Status(StatusCode.DeadlineExceeded, "The deadline has passed."), trailers: null).ConfigureAwait(false);
                Reset(NoError);
            }
            else
            {
                Reset(Cancel);
            }

            await cancelled.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // A callback of the handler's on the token, at worst.
            Log.EndAtDeadlineFailed(_logger, Method, e);
        }
    }

    private void Reset(int code) => HttpContext.Features.Get<IHttpResetFeature>()?.Reset(code);

    // The HttpContext goes back to Kestrel when this is done, so nothing that touches it may be left running.
    private async Task EndAsync(Status status)
    {
        bool first;
        lock (_sendGate)
        {
            first = !_ended;
            _ended = true;
        }

        _timer?.Dispose();
        await SettleAsync(_writing).ConfigureAwait(false);
        if (_expiry is not null)
            await _expiry.ConfigureAwait(false);
        if (first && !HttpContext.RequestAborted.IsCancellationRequested)
        {
            Log.Ended(_logger, Method, status.StatusCode, status.Detail ?? "");
            try
            {
                await SendStatusAsync(status, _responseTrailers).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Log.StatusNotSent(_logger, Method, e);
                Reset(InternalError);
            }
        }

        lock (_readGate)
            _readsEnded = true;
        if (!_reading.IsCompleted)
        {
            HttpContext.Request.BodyReader.CancelPendingRead();
            await SettleAsync(_reading).ConfigureAwait(false);
        }

        _cancellation?.Dispose();
        _frame.Dispose();
    }

    // What it fails with, its caller has been told or is gone.
    private static async Task SettleAsync(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // "Response → (Response-Headers *Length-Prefixed-Message Trailers) / Trailers-Only", the latter "for calls that produce an
    // immediate error". Kestrel follows up with RST_STREAM(NO_ERROR) if the client has not ended its side ("Early Server Closure").
    private async Task SendStatusAsync(Status status, Metadata? trailers)
    {
        var response = HttpContext.Response;
        if (!response.HasStarted && (_wrote || status.StatusCode == StatusCode.OK))
            await response.StartAsync().ConfigureAwait(false);

        var fields = response.HasStarted ? HttpContext.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : response.Headers;
        fields[Headers.Status] = Headers.FormatStatus(status.StatusCode);
        if (!string.IsNullOrEmpty(status.Detail))
            fields[Headers.Message] = PercentEncoding.Encode(status.Detail);
        if (trailers is not null)
            Append(fields, trailers);
        await response.CompleteAsync().ConfigureAwait(false);
    }

    private static void Append(IHeaderDictionary fields, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            if (Headers.IsCustom(entry.Key))
                fields.Append(entry.Key, Headers.Format(entry));
        }
    }
}
