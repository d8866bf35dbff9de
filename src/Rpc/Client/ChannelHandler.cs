using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Rpc;

/// <summary>Makes the HTTP handler of a channel.</summary>
public static class ChannelHandler
{
    /// <summary>An address that does not answer for so long is left for the next one of the name.</summary>
    private static readonly TimeSpan AddressTimeout = TimeSpan.FromSeconds(3);

    /// <summary>
    /// A handler that finds out about a dead server: while a call is under way and nothing has arrived for 20 s it sends an HTTP/2 PING,
    /// and gives the connection up when that is not answered within 10 s (PROTOCOL-HTTP2.md, "PING Frame"). A connection must be made
    /// within 10 s. It goes straight to the server (no proxy) and follows no redirect, since requests carry credentials. If a name has several
    /// addresses, it tries them in random order, so that clients spread and one that is dead is no end.
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
            ConnectCallback = async (context, cancellationToken) =>
            {
                var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken);
                Random.Shared.Shuffle(addresses);
                return await ConnectAsync(addresses, context.DnsEndPoint.Port, cancellationToken);
            },
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

    /// <summary>A connection to the first of these addresses, in this order, that takes one.</summary>
    /// <exception cref="SocketException">None does: what the last one said.</exception>
    internal static async ValueTask<Stream> ConnectAsync(IPAddress[] addresses, int port, CancellationToken cancellationToken)
    {
        for (var i = 0; ; i++)
        {
            if (i == addresses.Length)
                throw new SocketException((int)SocketError.NoData); // a name without addresses

            var isLast = i == addresses.Length - 1;
            var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (!isLast)
                limit.CancelAfter(AddressTimeout);
            try
            {
                await socket.ConnectAsync(addresses[i], port, limit.Token);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException && !isLast && !cancellationToken.IsCancellationRequested)
            {
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }
}
