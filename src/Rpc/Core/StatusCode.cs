namespace Grpc.Core;

/// <summary>How a call ended (gRPC, doc/statuscodes.md). The numbers are what <c>grpc-status</c> carries.</summary>
public enum StatusCode
{
    /// <summary>Success.</summary>
    OK = 0,

    /// <summary>Cancelled, typically by the caller.</summary>
    Cancelled = 1,

    /// <summary>An error whose nature is not known or not told, such as an exception in a handler.</summary>
    Unknown = 2,

    /// <summary>The caller gave an argument that is wrong whatever the state of the system.</summary>
    InvalidArgument = 3,

    /// <summary>The deadline passed before the call was done.</summary>
    DeadlineExceeded = 4,

    /// <summary>What was asked for does not exist.</summary>
    NotFound = 5,

    /// <summary>What was to be created exists already.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known but may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A quota or a limit, such as the size of a message, is exhausted.</summary>
    ResourceExhausted = 8,

    /// <summary>The system is not in the state that the call requires; retrying does not help before that is changed.</summary>
    FailedPrecondition = 9,

    /// <summary>Given up because of a conflict, such as a lost race; retry at a higher level.</summary>
    Aborted = 10,

    /// <summary>Past the valid range, such as reading beyond an end.</summary>
    OutOfRange = 11,

    /// <summary>The method does not exist or is not supported.</summary>
    Unimplemented = 12,

    /// <summary>An invariant of the system or of the protocol is broken.</summary>
    Internal = 13,

    /// <summary>The service cannot be reached now; retry with a backoff.</summary>
    Unavailable = 14,

    /// <summary>Data are lost or corrupt beyond recovery.</summary>
    DataLoss = 15,

    /// <summary>The caller did not prove who it is.</summary>
    Unauthenticated = 16,
}
