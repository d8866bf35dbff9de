using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.State;

/// <summary>What a folder of manifests says, each object once.</summary>
/// <param name="Objects">In the order of the files' names.</param>
/// <param name="Problems">What is wrong, one sentence each, with file and line.</param>
internal sealed record Manifests(ImmutableArray<IKubernetesObject> Objects, ImmutableArray<string> Problems);

/// <summary>
/// A folder of manifests that is watched. A file with a problem takes nothing away: of every object that came from it and is not
/// readable now the last good state stays in force until the file is in order again or gone. Those states are kept in a folder of our
/// own too, so that a restart comes to the same end.
/// </summary>
internal sealed class ManifestFolder(string path, string lastGoodPath, ILogger<ManifestFolder> logger)
{
    /// <summary>A folder in which something happens all the time is read all the same.</summary>
    private static readonly TimeSpan LongestSettle = TimeSpan.FromSeconds(2);

    /// <summary>File times are coarse, on some file systems as coarse as this: within it a file may change twice.</summary>
    private static readonly TimeSpan ClockTick = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _changed = new(0);
    private readonly Dictionary<string, FileState> _files = new(StringComparer.Ordinal);
    private bool _hasSeenFiles;

    /// <summary>Writers take several steps: a file is read when nothing has happened to it for so long.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How often the folder is read unasked: some file systems tell of no changes, and the kernel's queue may overflow.</summary>
    public TimeSpan Rescan { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What the folder says now.</summary>
    public Latest<Manifests> Current { get; } = new(new Manifests([], []));

    /// <summary>Reads the folder for the first time.</summary>
    /// <exception cref="IOException">It cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be listed.</exception>
    public void Load()
    {
        Directory.CreateDirectory(lastGoodPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var file in ManifestFile.FindIn(lastGoodPath))
            _files[Path.GetFileName(file)] = new FileState { InForce = Read(ManifestFile.Read(file)).Objects };

        for (var started = Stopwatch.GetTimestamp(); Unsettled().Count > 0 && Stopwatch.GetElapsedTime(started) < LongestSettle;)
            Thread.Sleep(Settle / 4);
        ReadFiles([]); // a start does not wait for a writer that never ends
    }

    /// <summary>Follows the folder until cancelled.</summary>
    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        var watcher = TryWatch();
        Stopwatch? waiting = null;
        try
        {
            while (true)
            {
                if (await _changed.WaitAsync(Rescan, cancellationToken))
                    await SettleAsync(cancellationToken);

                try
                {
                    watcher ??= TryWatch();
                    var unsettled = Unsettled();
                    waiting = unsettled.Count == 0 ? null : waiting ?? Stopwatch.StartNew();
                    if (waiting is null || waiting.Elapsed > LongestSettle)
                        ReadFiles(unsettled);
                    if (waiting is not null)
                        _changed.Release(); // look again, when they are whole
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // it may be on its way back, like a volume being mounted anew: nothing is taken away
                    watcher?.Dispose();
                    watcher = null;
                    Log.ManifestFolderUnreadable(logger, path, e.Message);
                    Publish([$"{path}: the folder cannot be read: {e.Message}"]);
                }
            }
        }
        finally
        {
            watcher?.Dispose();
        }
    }

    private FileSystemWatcher? TryWatch()
    {
        try
        {
            var watcher = new FileSystemWatcher(path);
            watcher.Changed += (_, _) => _changed.Release();
            watcher.Created += (_, _) => _changed.Release();
            watcher.Deleted += (_, _) => _changed.Release();
            watcher.Renamed += (_, _) => _changed.Release();
            watcher.EnableRaisingEvents = true;
            _changed.Release(); // for what changed before it watched
            return watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            Log.ManifestFolderNotWatched(logger, path, Rescan.TotalSeconds, e.Message);
            return null;
        }
    }

    private async Task SettleAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (await _changed.WaitAsync(Settle, cancellationToken) && Stopwatch.GetElapsedTime(started) < LongestSettle)
        {
        }
    }

    /// <summary>
    /// The files that somebody is writing. As long as there are any, nothing is read: what leaves one file may be about to appear in
    /// another, and would lose its addresses in between.
    /// </summary>
    private HashSet<string> Unsettled() => ManifestFile.FindIn(path).Where(file => !IsSettled(file)).ToHashSet(StringComparer.Ordinal);

    private void ReadFiles(HashSet<string> except)
    {
        var paths = ManifestFile.FindIn(path);
        _hasSeenFiles |= paths.Count > 0;
        if (!_hasSeenFiles && _files.Values.Any(file => !file.InForce.IsEmpty))
        {
            // as empty as a volume that is not mounted: to take that at its word would renumber the whole mesh
            Publish([$"{path}: the folder has held no manifest since the start; what it said before stays in force until it holds one"]);
            return;
        }

        var names = paths.Select(file => Path.GetFileName(file)).ToHashSet(StringComparer.Ordinal);
        var changed = false;
        foreach (var gone in _files.Keys.Where(name => !names.Contains(name)).ToList())
        {
            _files.Remove(gone);
            Keep(gone, null);
            changed = true;
        }

        foreach (var file in paths.Where(file => !except.Contains(file)))
            changed |= ReadFile(file);

        if (changed || Current.Value.Problems.Any())
            Publish([]);
    }

    private bool IsSettled(string file)
    {
        // a time in the future is somebody else's clock, and tells nothing
        var age = DateTime.UtcNow - (StampOf(file)?.Written ?? DateTime.MinValue);
        return age < TimeSpan.Zero || age >= Settle;
    }

    /// <returns>Whether anything became different.</returns>
    private bool ReadFile(string file)
    {
        var name = Path.GetFileName(file);
        var before = _files.GetValueOrDefault(name);
        var stamp = StampOf(file);
        if (stamp is { } young && (DateTime.UtcNow - young.Written).Duration() < ClockTick)
            stamp = null;
        if (before is not null && stamp is not null && before.Stamp == stamp)
            return false;

        var (objects, problems) = Read(ManifestFile.Read(file));
        if (problems.Length > 0 && before is not null)
        {
            var readable = objects.Select(item => item.Identity).ToHashSet(StringComparer.Ordinal);
            objects = [.. objects, .. before.InForce.Where(item => !readable.Contains(item.Identity))];
        }

        var same = before is not null && before.Problems.SequenceEqual(problems) && before.InForce.SequenceEqual(objects);
        _files[name] = new FileState { InForce = same ? before!.InForce : objects, Problems = problems, Stamp = stamp };
        if (same)
            return false;

        Keep(name, objects);
        Log.ManifestRead(logger, name, objects.Length, problems.Length);
        foreach (var problem in problems)
            Log.ManifestProblem(logger, problem);
        return true;
    }

    /// <summary>Writes the last good state of a file, or deletes it. If that fails, only a restart with a broken file misses it.</summary>
    private void Keep(string name, ImmutableArray<ManifestObject>? objects)
    {
        var target = Path.Combine(lastGoodPath, name);
        try
        {
            if (objects is null)
                AtomicFile.Delete(target);
            else
                AtomicFile.Write(target, Encoding.UTF8.GetBytes(
                    string.Concat(objects.Value.Select(item => "---\n" + YamlWriter.Write(item.ToJson())))));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.LastGoodNotKept(logger, target, e.Message);
        }
    }

    private void Publish(ImmutableArray<string> folderProblems)
    {
        var objects = ImmutableArray.CreateBuilder<IKubernetesObject>();
        var problems = folderProblems.ToBuilder();
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (_, file) in _files.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            problems.AddRange(file.Problems);
            foreach (var item in file.InForce)
            {
                if (sources.TryAdd(item.Identity, item.Source))
                    objects.Add(item.Value);
                else
                {
                    problems.Add($"{item.Source}: {item.Identity}: metadata.name: is that of another object in {sources[item.Identity]}, " +
                        "which is kept; remove one of the two or rename it");
                }
            }
        }

        var manifests = new Manifests(objects.ToImmutable(), problems.ToImmutable());
        if (!manifests.Objects.SequenceEqual(Current.Value.Objects) || !manifests.Problems.SequenceEqual(Current.Value.Problems))
            Current.Publish(manifests);
    }

    private static (ImmutableArray<ManifestObject> Objects, ImmutableArray<string> Problems) Read(ManifestFile file)
    {
        var set = ManifestReader.Read([file]);
        IEnumerable<IKubernetesObject> all = [.. set.Nodes, .. set.Secrets, .. set.Peers];
        if (set.Mesh is { } mesh)
            all = all.Append(mesh);
        return (
            [.. all.Select(value => new ManifestObject(value, set.SourceOf(value).ToString()))],
            [.. set.Problems.Select(problem => problem.ToString())]);
    }

    /// <summary>Changes whenever the content does, but for files younger than <see cref="ClockTick"/>; null if it cannot be read.</summary>
    private static (DateTime Written, long Length)? StampOf(string file)
    {
        try
        {
            using var handle = File.OpenHandle(file);
            return (File.GetLastWriteTimeUtc(handle), RandomAccess.GetLength(handle));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private sealed class FileState
    {
        public required ImmutableArray<ManifestObject> InForce { get; init; }

        public ImmutableArray<string> Problems { get; init; } = [];

        public (DateTime Written, long Length)? Stamp { get; init; }
    }
}

/// <summary>An object and where it was read.</summary>
internal sealed record ManifestObject(IKubernetesObject Value, string Source)
{
    private string? _json;

    /// <summary>Kind, namespace (of a Secret that names none, the one that is meant) and name.</summary>
    public string Identity { get; } = Value is Secret secret
        ? $"{secret.Kind}/{secret.NamespaceOrDefault()}/{secret.Metadata.Name}"
        : $"{Value.Kind}/{Value.Metadata.Name}";

    public System.Text.Json.Nodes.JsonNode? ToJson() => Value switch
    {
        Node node => JsonSerializer.SerializeToNode(node, KubernetesJson.Default.Node),
        Secret secret => JsonSerializer.SerializeToNode(secret, KubernetesJson.Default.Secret),
        WireGuardPeer peer => JsonSerializer.SerializeToNode(peer, CrdsJson.Default.WireGuardPeer),
        WireGuardMesh mesh => JsonSerializer.SerializeToNode(mesh, CrdsJson.Default.WireGuardMesh),
        _ => throw new ArgumentException($"{Value.Kind} is not kept."),
    };

    /// <summary>The same place and content.</summary>
    public bool Equals(ManifestObject? other) => other is not null && Source == other.Source && Json == other.Json;

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Source);

    private string Json => _json ??= ToJson()!.ToJsonString();
}
