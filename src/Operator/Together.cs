namespace WgMesh.Operator;

/// <summary>Tasks that only make sense together.</summary>
internal static class Together
{
    /// <summary>
    /// Runs parts of which none ends by itself. If one does, the others are cancelled: the process is not to go on with half of its work.
    /// </summary>
    public static async Task RunAsync(CancellationToken cancellationToken, params Func<CancellationToken, Task>[] parts)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = parts.Select(part => Task.Run(() => part(ended.Token), CancellationToken.None)).ToList();
        var first = await Task.WhenAny(running);
        await ended.CancelAsync();
        // the first is the reason why the others were cancelled
        await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
        cancellationToken.ThrowIfCancellationRequested();
    }
}
