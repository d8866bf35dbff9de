using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>
/// Keeps the objects of a kind as the API server has them, by list and watch, for as long as it runs. Lists are quorum reads, in pages, and become
/// visible as a whole. A watch that ends or breaks goes on where it was. The objects are listed anew when the server no longer knows the
/// version, and when the server was away: it may have come back with a storage that was restored, in which versions mean something else.
/// </summary>
public sealed class Informer<T>(KubernetesClient client, ResourceType<T> type, InformerOptions options, TimeProvider time, ILogger logger)
    where T : class, IKubernetesObject
{
    /// <summary>A watch that ends sooner, and without an event, has not worked.</summary>
    private static readonly TimeSpan ShortestWatch = TimeSpan.FromSeconds(1);

    /// <summary>No server is waited for longer than this, whatever it asks for.</summary>
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(5);

    /// <summary>In a burst, so many events become visible together at most.</summary>
    private const int LargestBatch = 1000;

    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Backoff _backoff = new();
    private volatile InformerStore<T> _current = InformerStore<T>.Empty;

    // under _gate: who waits for a list that begins from now on, and what tells the loop of the first of them
    private readonly List<TaskCompletionSource> _refreshes = [];
    private TaskCompletionSource _refreshAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // of the loop alone
    private string? _version;        // where a watch goes on; null: a list is needed
    private bool _isFresh;           // _version is that of a list, no event came since
    private long _workingSince;      // when the list or watch began that works, or has just failed
    private bool _hasWatchWorked;
    private long? _outageSince;

    private long _relists;
    private long _watchRestarts;
    private volatile bool _isInOutage;

    /// <summary>The objects now. Before the first complete list: none; during an outage: the last that were known.</summary>
    public InformerStore<T> Current => _current;

    /// <summary>Whether there has been a complete list.</summary>
    public bool HasSynced => _synced.Task.IsCompletedSuccessfully;

    /// <summary>Whether the server cannot be asked, so that <see cref="Current"/> may be old.</summary>
    public bool IsInOutage => _isInOutage;

    /// <summary>Complete lists after the first.</summary>
    public long Relists => Interlocked.Read(ref _relists);

    /// <summary>Watches after the first.</summary>
    public long WatchRestarts => Math.Max(Interlocked.Read(ref _watchRestarts) - 1, 0);

    /// <summary>
    /// Raised on the informer's own task after <see cref="Current"/> changed, once for a whole list, and once for all events of a burst that are
    /// there to be read; handlers are quick and do not throw. One that is slow holds up the watch and not more: what happens meanwhile comes
    /// afterwards, in order.
    /// </summary>
    public event Action<InformerChange<T>>? Changed;

    /// <summary>Ends when there has been a complete list.</summary>
    public Task WaitForSyncAsync(CancellationToken cancellationToken) => _synced.Task.WaitAsync(cancellationToken);

    /// <summary>
    /// Has the objects listed now, whatever the informer is doing. When it ends, <see cref="Current"/> has all that was written before the call, and
    /// handlers have been told.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled, or the informer was.</exception>
    public Task RefreshAsync(CancellationToken cancellationToken)
    {
        var refresh = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _refreshes.Add(refresh);
            _refreshAsked.TrySetResult();
        }

        return refresh.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Lists and watches until cancelled; nothing else ends it.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    if (_version is null || IsRefreshAsked())
                        await ListAsync(cancellationToken);
                    await WatchAsync(_version!, cancellationToken);
                }
                catch (Exception e)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await RecoverAsync(e, cancellationToken);
                }

                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            lock (_gate)
            {
                _refreshes.ForEach(refresh => refresh.TrySetCanceled(CancellationToken.None));
                _refreshes.Clear();
            }
        }
    }

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        _workingSince = time.GetTimestamp();
        TaskCompletionSource[] refreshes;
        lock (_gate)
        {
            refreshes = [.. _refreshes];
            _refreshAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        var pages = await ListPagesAsync(cancellationToken);
        var change = new InformerStoreChange<T>(_current);
        var listed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var page in pages)
        {
            foreach (var item in page.Items)
            {
                change.Set(item);
                listed.Add(InformerStoreChange<T>.Key(item.Metadata));
            }

            foreach (var item in page.Unreadable)
            {
                change.Set(item);
                listed.Add(InformerStoreChange<T>.Key(item.Metadata));
            }
        }

        change.RemoveOthers(listed);
        Publish(change);
        // should pages ever be of different versions, nothing is missed from that of the first
        _version = pages[0].ResourceVersion;
        _isFresh = true;
        Log.Listed(logger, listed.Count, type.Kind, _version);
        if (_outageSince is { } since)
        {
            _outageSince = null;
            _isInOutage = false;
            Log.OutageEnded(logger, type.Kind, time.GetElapsedTime(since).TotalSeconds);
        }

        if (!_synced.TrySetResult())
            Interlocked.Increment(ref _relists);
        lock (_gate)
            _refreshes.RemoveAll(refreshes.Contains);
        foreach (var refresh in refreshes)
            refresh.TrySetResult();
    }

    /// <summary>The newest list there is: a version that is only not older than one that is known may be older than what another wrote.</summary>
    private async Task<List<ListPage<T>>> ListPagesAsync(CancellationToken cancellationToken)
    {
        var query = new ListOptions
        {
            Namespace = options.Namespace,
            Limit = options.PageSize,
        };
        List<ListPage<T>> pages = [];
        while (true)
        {
            var next = pages.Count == 0 ? null : pages[^1].Continue;
            try
            {
                pages.Add(await client.ListAsync(type, query with { Continue = next }, cancellationToken));
            }
            catch (ApiException e) when (next is not null && IsExpired(e))
            {
                // the pages took longer than the server keeps a version: from the start, and in one page, which cannot expire
                Log.VersionExpired(logger, type.Kind, e.Message);
                query = query with { Limit = 0 };
                pages.Clear();
                continue;
            }

            if (string.IsNullOrEmpty(pages[^1].Continue))
                return pages;
        }
    }

    private async Task WatchAsync(string version, CancellationToken cancellationToken)
    {
        _workingSince = time.GetTimestamp();
        _hasWatchWorked = false;
        Interlocked.Increment(ref _watchRestarts);
        Task refreshAsked;
        lock (_gate)
            refreshAsked = _refreshAsked.Task;

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var query = new WatchOptions
        {
            Namespace = options.Namespace,
            ResourceVersion = version,
            // at random, so that not all watches begin anew at once
            Timeout = TimeSpan.FromSeconds(Random.Shared.Next(300, 601)),
        };
        await using var events = client.WatchAsync(type, query, stop.Token).GetAsyncEnumerator(stop.Token);
        var batch = new InformerStoreChange<T>(_current);
        try
        {
            while (!refreshAsked.IsCompleted)
            {
                var next = events.MoveNextAsync();
                if (!next.IsCompleted || batch.Count >= LargestBatch)
                {
                    Publish(batch);
                    batch = new InformerStoreChange<T>(_current);
                }

                var moved = next.AsTask();
                if (await Task.WhenAny(moved, refreshAsked) != moved)
                {
                    await stop.CancelAsync();
                    await ((Task)moved).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return;
                }

                if (!await moved)
                    break;
                Take(events.Current, batch);
            }
        }
        finally
        {
            Publish(batch);
        }

        if (!refreshAsked.IsCompleted && !_hasWatchWorked && time.GetElapsedTime(_workingSince) < ShortestWatch)
            throw new InvalidOperationException("the server ended the watch at once");
    }

    private void Take(WatchEvent<T> change, InformerStoreChange<T> batch)
    {
        _hasWatchWorked = true;
        _isFresh = false;
        if (!string.IsNullOrEmpty(change.ResourceVersion))
            _version = change.ResourceVersion;
        switch (change)
        {
            case { Type: WatchEventType.Bookmark }:
                break;
            case { Type: WatchEventType.Deleted, Item: { } item }:
                batch.Remove(item.Metadata);
                break;
            case { Type: WatchEventType.Deleted, Unreadable: { } item }:
                batch.Remove(item.Metadata);
                break;
            case { Item: { } item }:
                batch.Set(item);
                break;
            case { Unreadable: { } item }:
                batch.Set(item);
                break;
        }
    }

    private async Task RecoverAsync(Exception failure, CancellationToken cancellationToken)
    {
        var worked = time.GetElapsedTime(_workingSince);
        var retryAfter = (failure as ApiException)?.RetryAfter;
        if (failure is ApiException expired && IsExpired(expired))
        {
            Log.VersionExpired(logger, type.Kind, failure.Message);
            var canListAtOnce = _version is not null && !_isFresh;
            _version = null;
            if (canListAtOnce)
                return;
        }
        else if (_version is not null && (failure is ApiException { StatusCode: 429 } || (IsBreak(failure) && (_hasWatchWorked || worked >= ShortestWatch))))
        {
            // the server is there: the watch can go on
            Log.WatchBroke(logger, type.Kind, failure.Message);
        }
        else
        {
            _version = null;
            if (_outageSince is null)
            {
                _outageSince = time.GetTimestamp();
                _isInOutage = true;
                Log.OutageBegan(logger, type.Kind, failure.Message);
            }
        }

        var delay = _backoff.Next(worked);
        if (retryAfter > delay)
            delay = retryAfter < LongestRetryAfter ? retryAfter.Value : LongestRetryAfter;
        Task refreshAsked;
        lock (_gate)
            refreshAsked = _refreshAsked.Task;
        // who asks for a refresh has reason to think that the server is there; when the server itself asked to wait, it is waited for
        if (retryAfter is null)
            await Task.WhenAny(refreshAsked, Task.Delay(delay, time, cancellationToken));
        else
            await Task.Delay(delay, time, cancellationToken);
    }

    private void Publish(InformerStoreChange<T> gathered)
    {
        if (gathered.ToChange() is not { } change)
            return;
        _current = change.After;
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(change);
            }
            catch (Exception e)
            {
                Log.ChangeHandlerFailed(logger, type.Kind, e);
            }
        }
    }

    private bool IsRefreshAsked()
    {
        lock (_gate)
            return _refreshes.Count > 0;
    }

    /// <summary>Whether a connection that was there has gone, rather than that there was none.</summary>
    private static bool IsBreak(Exception e) => e is HttpRequestException { InnerException: IOException };

    private static bool IsExpired(ApiException e) => e.StatusCode == 410 || e.Reason is "Expired" or "Gone";
}
