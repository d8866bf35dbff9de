namespace Grpc.Core;

/// <summary>What a client says of one call.</summary>
/// <param name="headers">Metadata to send.</param>
/// <param name="deadline">When to give up, in UTC; null: never.</param>
/// <param name="cancellationToken">Ends the call.</param>
/// <param name="writeOptions">How requests are written.</param>
/// <param name="credentials">Adds metadata, such as a token, when the call starts; after those of the channel.</param>
public readonly struct CallOptions(
    Metadata? headers = null,
    DateTime? deadline = null,
    CancellationToken cancellationToken = default,
    WriteOptions? writeOptions = null,
    CallCredentials? credentials = null)
{
    /// <summary>Metadata to send.</summary>
    public Metadata? Headers { get; } = headers;

    /// <summary>When to give up, in UTC; null: never.</summary>
    public DateTime? Deadline { get; } = deadline;

    /// <summary>Ends the call.</summary>
    public CancellationToken CancellationToken { get; } = cancellationToken;

    /// <summary>How requests are written.</summary>
    public WriteOptions? WriteOptions { get; } = writeOptions;

    /// <summary>Adds metadata when the call starts.</summary>
    public CallCredentials? Credentials { get; } = credentials;

    /// <summary>These options with other headers.</summary>
    /// <param name="headers">Metadata to send.</param>
    /// <returns>The new options.</returns>
    public CallOptions WithHeaders(Metadata headers) => new(headers, Deadline, CancellationToken, WriteOptions, Credentials);

    /// <summary>These options with another deadline.</summary>
    /// <param name="deadline">When to give up, in UTC.</param>
    /// <returns>The new options.</returns>
    public CallOptions WithDeadline(DateTime deadline) => new(Headers, deadline, CancellationToken, WriteOptions, Credentials);

    /// <summary>These options with another token.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The new options.</returns>
    public CallOptions WithCancellationToken(CancellationToken cancellationToken) =>
        new(Headers, Deadline, cancellationToken, WriteOptions, Credentials);

    /// <summary>These options with other write options.</summary>
    /// <param name="writeOptions">How requests are written.</param>
    /// <returns>The new options.</returns>
    public CallOptions WithWriteOptions(WriteOptions writeOptions) =>
        new(Headers, Deadline, CancellationToken, writeOptions, Credentials);

    /// <summary>These options with other credentials.</summary>
    /// <param name="credentials">Adds metadata when the call starts.</param>
    /// <returns>The new options.</returns>
    public CallOptions WithCredentials(CallCredentials credentials) =>
        new(Headers, Deadline, CancellationToken, WriteOptions, credentials);
}
