using Grpc.Core;
using WgMesh.Rpc;
using WgMesh.Rpc.Client;

namespace Grpc.Net.Client;

/// <summary>A way to a server over HTTP/2. Connections are made when calls need them, and shared by all calls. Thread-safe.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private readonly HttpMessageInvoker _http;
    private readonly CancellationTokenSource _shutdown = new();

    private GrpcChannel(Uri address, GrpcChannelOptions options)
        : base(address.Authority)
    {
        Address = address;
        MaxReceiveMessageSize = options.MaxReceiveMessageSize;
        MaxSendMessageSize = options.MaxSendMessageSize;
        CallCredentials = options.Credentials?.CallCredentials;
        MaySendCallCredentials = address.Scheme == Uri.UriSchemeHttps || options.UnsafeUseInsecureChannelCallCredentials;
        if (CallCredentials is not null && !MaySendCallCredentials)
        {
            throw new InvalidOperationException(
                $"The channel to '{address}' has call credentials but no TLS: use https, or set {nameof(options.UnsafeUseInsecureChannelCallCredentials)}.");
        }

        _http = new HttpMessageInvoker(
            options.HttpHandler ?? ChannelHandler.Create(), disposeHandler: options.HttpHandler is null || options.DisposeHttpClient);
        Shutdown = _shutdown.Token;
    }

    internal Uri Address { get; }

    internal int? MaxReceiveMessageSize { get; }

    internal int? MaxSendMessageSize { get; }

    internal CallCredentials? CallCredentials { get; }

    internal bool MaySendCallCredentials { get; }

    internal CancellationToken Shutdown { get; }

    /// <summary>Makes a channel. Nothing is connected yet.</summary>
    /// <param name="address">Scheme (<c>http</c> or <c>https</c>), host and port.</param>
    /// <returns>The channel.</returns>
    public static GrpcChannel ForAddress(string address) => ForAddress(new Uri(address), new GrpcChannelOptions());

    /// <summary>Makes a channel. Nothing is connected yet.</summary>
    /// <param name="address">Scheme (<c>http</c> or <c>https</c>), host and port.</param>
    /// <param name="channelOptions">How it is made.</param>
    /// <returns>The channel.</returns>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) => ForAddress(new Uri(address), channelOptions);

    /// <summary>Makes a channel. Nothing is connected yet.</summary>
    /// <param name="address">Scheme (<c>http</c> or <c>https</c>), host and port.</param>
    /// <returns>The channel.</returns>
    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    /// <summary>Makes a channel. Nothing is connected yet.</summary>
    /// <param name="address">Scheme (<c>http</c> or <c>https</c>), host and port.</param>
    /// <param name="channelOptions">How it is made.</param>
    /// <returns>The channel.</returns>
    /// <exception cref="ArgumentException">The scheme is neither, or there is a path.</exception>
    /// <exception cref="InvalidOperationException">The credentials do not fit the scheme, or would travel without TLS.</exception>
    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        if (!address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
            throw new ArgumentException($"The address '{address}' must begin with http:// or https://.", nameof(address));
        if (address.PathAndQuery != "/")
            throw new ArgumentException($"The address '{address}' must end with its host and port: paths are those of the methods.", nameof(address));
        if (channelOptions.Credentials is { } credentials && credentials.IsSecure != (address.Scheme == Uri.UriSchemeHttps))
        {
            throw new InvalidOperationException(
                $"The channel to '{address}' has {(credentials.IsSecure ? "secure" : "insecure")} credentials, which do not fit its scheme.");
        }

        return new GrpcChannel(address, channelOptions);
    }

    /// <inheritdoc/>
    public override CallInvoker CreateCallInvoker() => new ChannelCallInvoker(this);

    /// <summary>Cancels the calls that are under way and closes the connections.</summary>
    public void Dispose()
    {
        _shutdown.Cancel();
        _http.Dispose();
    }

    internal Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _http.SendAsync(request, cancellationToken);

    /// <inheritdoc/>
    protected override Task ShutdownAsyncCore()
    {
        Dispose();
        return Task.CompletedTask;
    }
}
