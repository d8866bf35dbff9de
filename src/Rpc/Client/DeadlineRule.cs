using Grpc.Core;

namespace WgMesh.Rpc.Client;

/// <summary>What a client makes of a call that is cancelled about the time of its deadline.</summary>
internal static class DeadlineRule
{
    /// <summary>The status of a call whose time is over.</summary>
    public static readonly Status Exceeded = new(StatusCode.DeadlineExceeded, "The deadline has passed.");

    /// <summary>
    /// "To deal with client-side races and minor clock-rate skew, when a call fails with CANCELLED status the client is encouraged to check
    /// whether the deadline has expired and fail the call with DEADLINE_EXCEEDED instead of CANCELLED", "without using any part of
    /// Trailers" (PROTOCOL-HTTP2.md, "Client Cancellation").
    /// </summary>
    public static (Status Status, Metadata Trailers) Apply(Status status, Metadata trailers, DateTime? deadline, DateTime now) =>
        status.StatusCode == StatusCode.Cancelled && deadline <= now ? (Exceeded, Metadata.Empty) : (status, trailers);
}
