using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Rpc;

/// <summary>Makes the HTTP handler of a channel.</summary>
public static class ChannelHandler
{
    /// <summary>
    /// A handler that finds out about a dead server: while a call is under way and nothing has arrived for 20 s it sends an HTTP/2 PING,
    /// and gives the connection up when that is not answered within 10 s (PROTOCOL-HTTP2.md, "PING Frame"). A connection must be made
    /// within 10 s. It goes straight to the server (no proxy) and follows no redirect, since requests carry credentials.
    /// </summary>
    /// <param name="authorities">
    /// The only authorities that a server's certificate may come from, whatever the system trusts; null: those that the system trusts.
    /// Host names are verified either way.
    /// </param>
    /// <returns>The handler. Change its properties before the first call if need be.</returns>
    public static SocketsHttpHandler Create(X509Certificate2Collection? authorities = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = TimeSpan.FromSeconds(20),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            UseCookies = false,
            UseProxy = false,
        };
        if (authorities is null)
            return handler;

        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        return handler;
    }
}
