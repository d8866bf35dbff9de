namespace WgMesh.Engine.Uapi;

/// <summary>Notices that a file has been deleted, moved away, or replaced.</summary>
internal sealed class UapiSocketWatch : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _removed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _path;
    private readonly IDisposable _source;

    /// <summary>Watches from now on.</summary>
    /// <param name="path">The file.</param>
    /// <param name="useInotify">False to look every second instead, as is done when the system has no inotify instance left.</param>
    public UapiSocketWatch(string path, bool useInotify = true)
    {
        _path = path;
        _source = (useInotify ? TryWatch() : null) ?? new Timer(_ => Check(), null, PollInterval, PollInterval);
        Check(); // it may have gone before the watch began
    }

    /// <summary>Completes once, when it happens; never after <see cref="Dispose"/>.</summary>
    public Task Removed => _removed.Task;

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    private IDisposable? TryWatch()
    {
        var watcher = new FileSystemWatcher(System.IO.Path.GetDirectoryName(_path)!, System.IO.Path.GetFileName(_path))
        {
            NotifyFilter = NotifyFilters.FileName,
        };
        watcher.Deleted += (_, _) => _removed.TrySetResult();
        watcher.Renamed += (_, _) => _removed.TrySetResult(); // away from our path, or onto it
        watcher.Created += (_, _) => _removed.TrySetResult();
        watcher.Error += (_, _) => Check(); // events were lost
        try
        {
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (IOException)
        {
            // fs.inotify.max_user_instances is small and shared with everything else on a node
            watcher.Dispose();
            return null;
        }
    }

    private void Check()
    {
        if (!File.Exists(_path))
        {
            _removed.TrySetResult();
        }
    }
}
