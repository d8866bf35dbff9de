using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// What the agent trusts and what it proves itself with. Both files are read again for every call, since both rotate.
/// </summary>
internal sealed class OperatorCredentials(string caFile, string tokenFile)
{
    // 65,536 peers of some 200 bytes, and room; what is larger is not a configuration
    internal const int MaxMessageSize = 64 * 1024 * 1024;

    /// <summary>After so long without a word from the operator it is asked for one (HTTP/2 PING).</summary>
    internal TimeSpan PingDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After so long without an answer it is dead.</summary>
    internal TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Bytes.</summary>
    internal int MaxReceivedMessage { get; init; } = MaxMessageSize;

    /// <summary>A channel to one operator, with a connection of its own.</summary>
    /// <exception cref="AgentException">The file of certificates is not there or holds none.</exception>
    internal GrpcChannel Connect(Uri address)
    {
        var handler = ChannelHandler.Create(Authorities());
        handler.KeepAlivePingDelay = PingDelay;
        handler.KeepAlivePingTimeout = PingTimeout;
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxReceivedMessage,
        });
    }

    /// <summary>The token, as a header.</summary>
    /// <exception cref="AgentException">The file is not there or holds no token.</exception>
    internal Metadata Headers()
    {
        string token;
        try
        {
            token = File.ReadAllText(tokenFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException($"The token file cannot be read: {e.Message}", e);
        }

        // a token that is no header value would come back in the exception of whoever finds out
        if (token.Length == 0 || token.AsSpan().ContainsAnyExceptInRange('!', '~'))
        {
            throw new AgentException($"The token file {tokenFile} does not hold one token (visible ASCII characters, no spaces).");
        }

        return new Metadata { { "authorization", $"Bearer {token}" } };
    }

    private X509Certificate2Collection Authorities()
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(caFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new AgentException($"The certificates in {caFile} cannot be read: {e.Message}", e);
        }

        return authorities.Count > 0 ? authorities : throw new AgentException($"{caFile} holds no certificate (PEM).");
    }
}
