using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>How a channel is made.</summary>
public sealed class GrpcChannelOptions
{
    /// <summary>
    /// What carries the requests: TLS trust, connect timeout, keepalive pings and the like are set on it. Null: one as
    /// <see cref="WgMesh.Rpc.ChannelHandler"/> makes it, trusting the authorities of the system.
    /// </summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether <see cref="HttpHandler"/> is disposed with the channel. One that the channel made always is.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Bytes that a received message may have, 4 MiB unless set; null: no limit. A larger one ends the call with RESOURCE_EXHAUSTED.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Bytes that a sent message may have; null: no limit. A larger one ends the call with RESOURCE_EXHAUSTED.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>Whether the channel runs over TLS, and credentials for all its calls. Null: as the scheme of the address says, without any.</summary>
    public ChannelCredentials? Credentials { get; set; }

    /// <summary>Whether call credentials may be sent without TLS. Off unless set: whoever is on the way could read them.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }
}
