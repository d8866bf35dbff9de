using System.Net.Http.Headers;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Kubernetes;

/// <summary>Sends requests over TLS with the credentials in force, and once more with newer ones if the server did not take them.</summary>
internal sealed class AuthenticatingHandler(KubernetesClientConfiguration configuration, TimeProvider time) : HttpMessageHandler
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    /// <summary>A server that is gone without a word is noticed after both, also by a watch on which nothing happens.</summary>
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(15);

    private readonly Credentials _credentials = Credentials.From(configuration, time);
    private readonly Lock _gate = new();
    private Connections? _connections;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var credential = await _credentials.GetAsync(cancellationToken);
        var response = await SendAsync(request, credential, cancellationToken);
        if (response.StatusCode != HttpStatusCode.Unauthorized)
            return response;

        var renewed = await _credentials.RenewAsync(credential, cancellationToken);
        if (ReferenceEquals(renewed, credential))
            return response;
        response.Dispose();
        return await SendAsync(request, renewed, cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_gate)
            {
                _connections?.Invoker.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, Credential credential, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = credential.Token is { } token ? new AuthenticationHeaderValue("Bearer", token) : null;
        HttpMessageInvoker invoker;
        lock (_gate)
        {
            // a connection is its certificate's; those of the one before are left to the requests on them, and close when idle
            if (_connections is null || _connections.Certificate != credential.Certificate)
                _connections = new Connections(credential.Certificate, new HttpMessageInvoker(Connect(credential)));
            invoker = _connections.Invoker;
        }

        return invoker.SendAsync(request, cancellationToken);
    }

    private SocketsHttpHandler Connect(Credential credential)
    {
        var handler = new SocketsHttpHandler
        {
            // a token goes to this server only
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = ConnectTimeout,
            KeepAlivePingDelay = PingDelay,
            KeepAlivePingTimeout = PingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            EnableMultipleHttp2Connections = true,
        };
        if (credential.Certificate is { } certificate)
        {
            handler.SslOptions.ClientCertificateContext =
                SslStreamCertificateContext.Create(certificate, credential.Intermediates, offline: true);
        }

        if (configuration.SkipTlsVerify)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        }
        else if (configuration.SslCaCerts is { } authorities)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            };
            policy.CustomTrustStore.AddRange(authorities);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        return handler;
    }

    private sealed record Connections(X509Certificate2? Certificate, HttpMessageInvoker Invoker);
}
