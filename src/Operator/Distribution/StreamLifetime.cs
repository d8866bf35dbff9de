namespace WgMesh.Operator.Distribution;

/// <summary>
/// When streams end because the operator does. Not at the first sign of it: a replica that leads stops leading before, so that agents and tools,
/// who are told to go elsewhere, find another that leads.
/// </summary>
internal sealed class StreamLifetime : IDisposable
{
    private readonly CancellationTokenSource _ended = new();

    /// <summary>Cancelled when streams are to end.</summary>
    public CancellationToken Ended => _ended.Token;

    public Task EndAsync() => _ended.CancelAsync();

    /// <inheritdoc/>
    public void Dispose() => _ended.Dispose();
}
