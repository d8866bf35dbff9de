namespace Grpc.Core;

/// <summary>What a call is about to reach, for a credential that depends on it.</summary>
/// <param name="serviceUrl">Scheme, host and service, e.g. <c>https://operator:8443/wgmesh.v1alpha1.Mesh</c>.</param>
/// <param name="methodName">The method, e.g. <c>Sync</c>.</param>
/// <param name="cancellationToken">Cancelled when the call is.</param>
public class AuthInterceptorContext(string serviceUrl, string methodName, CancellationToken cancellationToken)
{
    /// <summary>Scheme, host and service.</summary>
    public string ServiceUrl { get; } = serviceUrl;

    /// <summary>The method.</summary>
    public string MethodName { get; } = methodName;

    /// <summary>Cancelled when the call is.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;
}

/// <summary>Adds credentials to the metadata of a call that is about to start.</summary>
/// <param name="context">What the call is about to reach.</param>
/// <param name="metadata">Takes the credentials, e.g. <c>authorization</c>.</param>
/// <returns>Done when they are in it.</returns>
public delegate Task AsyncAuthInterceptor(AuthInterceptorContext context, Metadata metadata);

/// <summary>Who the caller of a call is.</summary>
public abstract class CallCredentials
{
    /// <summary>Credentials that are asked for anew at the start of every call, so that a token may change between calls.</summary>
    /// <param name="interceptor">Gives them.</param>
    /// <returns>The credentials.</returns>
    public static CallCredentials FromInterceptor(AsyncAuthInterceptor interceptor) => new Interceptor(interceptor);

    internal abstract Task AddAsync(AuthInterceptorContext context, Metadata metadata);

    private sealed class Interceptor(AsyncAuthInterceptor interceptor) : CallCredentials
    {
        internal override Task AddAsync(AuthInterceptorContext context, Metadata metadata) => interceptor(context, metadata);
    }
}

/// <summary>Whether a channel runs over TLS, and the credentials that all its calls carry.</summary>
public abstract class ChannelCredentials
{
    /// <summary>No TLS.</summary>
    public static ChannelCredentials Insecure { get; } = new Kind(secure: false, null);

    /// <summary>TLS, verified as the channel's HTTP handler says.</summary>
    public static ChannelCredentials SecureSsl { get; } = new Kind(secure: true, null);

    /// <summary>TLS or not as a channel, with credentials for every call.</summary>
    /// <param name="channelCredentials">TLS or not.</param>
    /// <param name="callCredentials">Credentials for every call.</param>
    /// <returns>Both.</returns>
    public static ChannelCredentials Create(ChannelCredentials channelCredentials, CallCredentials callCredentials)
    {
        ArgumentNullException.ThrowIfNull(channelCredentials);
        ArgumentNullException.ThrowIfNull(callCredentials);
        return new Kind(channelCredentials.IsSecure, callCredentials);
    }

    internal abstract bool IsSecure { get; }

    internal abstract CallCredentials? CallCredentials { get; }

    private sealed class Kind(bool secure, CallCredentials? callCredentials) : ChannelCredentials
    {
        internal override bool IsSecure => secure;

        internal override CallCredentials? CallCredentials => callCredentials;
    }
}
