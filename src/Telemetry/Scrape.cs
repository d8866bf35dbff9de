using WgMesh.Telemetry.Exposition;

namespace WgMesh.Telemetry;

/// <summary>
/// One collection in one format, shared by every request that asked while it ran. Each holder disposes it once; the last gives the
/// buffer back to the pool.
/// </summary>
internal sealed class Scrape(int sizeHint) : IDisposable
{
    private readonly ExpositionBuffer _buffer = new(sizeHint);
    private int _holders = 1;

    /// <summary>Ends with whether the text is complete.</summary>
    public Task<bool> Completed { get; set; } = Task.FromResult(false);

    /// <summary>Written by the collection; to be read after <see cref="Completed"/> only.</summary>
    public ExpositionBuffer Buffer => _buffer;

    public void AddHolder() => Interlocked.Increment(ref _holders);

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
            _buffer.Dispose();
    }
}
