using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>
/// Tells people of what happened to an object, as Kubernetes events. The same thing said again within an hour is counted, not written anew: an event
/// is written at once and then at most once a minute, all together 10 a second after a burst of 50. What cannot be kept up with is left out.
/// </summary>
/// <param name="component">Who says it, e.g. <c>wgmesh-operator</c>; also the manager of the events' fields.</param>
/// <param name="instance">Which of its processes.</param>
public sealed class EventRecorder(KubernetesClient client, string component, string instance, TimeProvider time, ILogger logger)
{
    internal const int MostPending = 1000;
    internal const int MostRemembered = 4000;
    private const int MostAttempts = 12;
    private const int LongestMessage = 1024;
    private const int LongestName = 253;

    private static readonly TimeSpan Memory = TimeSpan.FromHours(1);
    private static readonly TimeSpan BetweenWrites = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<Happening, Series> _series = [];
    private readonly WorkQueue<Happening> _queue = new(time);
    private readonly TokenBucket _rate = new(10, 50, time);
    private int _pending;
    private long _dropped;
    private bool _isFailing;
    private bool _isLeavingOut;

    /// <summary>Happenings that were not written, for there were too many or the server did not take them.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Whether nothing waits to be written.</summary>
    internal bool IsIdle => _queue.Count == 0;

    /// <summary>Records an event in the background; one that cannot be written is dropped. Never throws, never waits.</summary>
    /// <param name="about">The object; cluster-scoped ones have their events in the namespace "default", as kubectl describe looks for them.</param>
    /// <param name="isWarning">Whether it is a Warning, or Normal.</param>
    /// <param name="reason">One CamelCase word.</param>
    /// <param name="message">A sentence.</param>
    public void Record(IKubernetesObject about, bool isWarning, string reason, string message)
    {
        var metadata = about.Metadata;
        if (message.Length > LongestMessage)
            message = message[..(LongestMessage - (char.IsHighSurrogate(message[LongestMessage - 2]) ? 2 : 1))] + "…";
        var happening = new Happening($"{about.Kind}/{metadata.Namespace}/{metadata.Name}/{metadata.Uid}", isWarning, reason, message);
        lock (_gate)
        {
            _series.TryGetValue(happening, out var series);
            if (series is null or { IsPending: false })
            {
                if (_pending >= MostPending)
                {
                    Interlocked.Increment(ref _dropped);
                    if (!_isLeavingOut)
                        Log.EventsLeftOut(logger);
                    _isLeavingOut = true;
                    return;
                }

                if (series is null || time.GetElapsedTime(series.SeenAt) >= Memory)
                {
                    Forget();
                    _series[happening] = series = new Series(NewEvent(about, happening));
                }

                _pending++;
                series.IsPending = true;
            }

            series.Count++;
            series.SeenAt = time.GetTimestamp();
            series.Event.LastTimestamp = time.GetUtcNow();
            _queue.Add(happening, series.Wait(time));
        }
    }

    /// <summary>Writes what was recorded, until cancelled.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task RunAsync(CancellationToken cancellationToken) => _queue.RunAsync(1, WriteAsync, Failed, cancellationToken);

    private async Task WriteAsync(Happening happening, CancellationToken cancellationToken)
    {
        Series? series;
        lock (_gate)
        {
            if (!_series.TryGetValue(happening, out series) || !series.IsPending)
                return;
            if (series.Wait(time) is var wait && wait > TimeSpan.Zero)
            {
                _queue.Add(happening, wait);
                return;
            }
        }

        await _rate.TakeAsync(cancellationToken);
        var written = series.IsOnServer ? null : await CreateAsync(series, cancellationToken);
        if (written is null)
        {
            lock (_gate)
                written = series.Now();
            var item = JsonSerializer.SerializeToNode(written, KubernetesJson.Default.Event)!.AsObject();
            await client.ApplyAsync(ResourceTypes.Events, item, component, force: true, cancellationToken);
        }

        lock (_gate)
        {
            _isFailing = false;
            series.Attempts = 0;
            series.WrittenAt = time.GetTimestamp();
            if (series.Count == written.Count)
                Done(series);
            else
                _queue.Add(happening, BetweenWrites);
        }
    }

    /// <summary>Makes the event. Null: it is there already, from a process before this one, and is to be counted on.</summary>
    private async Task<Event?> CreateAsync(Series series, CancellationToken cancellationToken)
    {
        Event item;
        lock (_gate)
            item = series.Now();
        try
        {
            await client.CreateAsync(ResourceTypes.Events, item, cancellationToken);
        }
        catch (ApiException e) when (e.StatusCode == 409)
        {
            var known = await client.FindAsync(ResourceTypes.Events, item.Metadata.Name, item.Metadata.Namespace, cancellationToken);
            lock (_gate)
            {
                series.Count += known?.Count ?? 0;
                series.Event.FirstTimestamp = known?.FirstTimestamp ?? series.Event.FirstTimestamp;
                series.IsOnServer = true;
            }

            await _rate.TakeAsync(cancellationToken);
            return null;
        }

        series.IsOnServer = true;
        return item;
    }

    private void Failed(Happening happening, Exception failure)
    {
        lock (_gate)
        {
            if (!_isFailing)
                Log.EventsNotWritten(logger, failure.Message);
            _isFailing = true;
            // what the server refuses it will refuse again; what it could not do it may be able to later, but an event is not worth the wait
            var isRefused = failure is ApiException { StatusCode: >= 400 and < 500 and not (408 or 409 or 429) };
            if (_series.TryGetValue(happening, out var series) && (isRefused || ++series.Attempts >= MostAttempts))
            {
                series.Attempts = 0;
                Done(series);
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private void Done(Series series)
    {
        series.IsPending = false;
        _pending--;
        _isLeavingOut = _isLeavingOut && _pending > MostPending / 2;
    }

    /// <summary>Makes room for one more, by what was said longest ago.</summary>
    private void Forget()
    {
        if (_series.Count < MostRemembered)
            return;
        var idle = _series.Where(one => !one.Value.IsPending).OrderBy(one => one.Value.SeenAt).Select(one => one.Key);
        foreach (var happening in idle.Take(MostRemembered / 4).ToList())
            _series.Remove(happening);
    }

    private Event NewEvent(IKubernetesObject about, Happening happening)
    {
        var metadata = about.Metadata;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', happening.Object, component, happening.IsWarning, happening.Reason, happening.Message)));
        var suffix = "." + Convert.ToHexStringLower(hash, 0, 8);
        var name = metadata.Name.Length + suffix.Length <= LongestName ? metadata.Name : metadata.Name[..(LongestName - suffix.Length)].TrimEnd('.', '-');
        return new Event
        {
            Metadata = { Name = name + suffix, Namespace = string.IsNullOrEmpty(metadata.Namespace) ? "default" : metadata.Namespace },
            InvolvedObject = new ObjectReference
            {
                ApiVersion = about.ApiVersion,
                Kind = about.Kind,
                Name = metadata.Name,
                Namespace = metadata.Namespace,
                Uid = metadata.Uid,
                ResourceVersion = metadata.ResourceVersion,
            },
            Type = happening.IsWarning ? "Warning" : "Normal",
            Reason = happening.Reason,
            Message = happening.Message,
            FirstTimestamp = time.GetUtcNow(),
            Source = new EventSource { Component = component, Host = instance },
            ReportingComponent = component,
            ReportingInstance = instance,
        };
    }

    /// <summary>What is counted as the same.</summary>
    private readonly record struct Happening(string Object, bool IsWarning, string Reason, string Message);

    /// <summary>An event and how it stands with it.</summary>
    private sealed class Series(Event first)
    {
        public Event Event { get; } = first;

        public int Count { get; set; }

        public long SeenAt { get; set; }

        /// <summary>Whether there is something to be written.</summary>
        public bool IsPending { get; set; }

        public bool IsOnServer { get; set; }

        public long? WrittenAt { get; set; }

        public int Attempts { get; set; }

        /// <summary>How long until it may be written.</summary>
        public TimeSpan Wait(TimeProvider time) => WrittenAt is { } at ? BetweenWrites - time.GetElapsedTime(at) : TimeSpan.Zero;

        /// <summary>The event as it is to be written now.</summary>
        public Event Now() => new()
        {
            Metadata = { Name = Event.Metadata.Name, Namespace = Event.Metadata.Namespace },
            InvolvedObject = Event.InvolvedObject,
            Type = Event.Type,
            Reason = Event.Reason,
            Message = Event.Message,
            Count = Count,
            FirstTimestamp = Event.FirstTimestamp,
            LastTimestamp = Event.LastTimestamp,
            Source = Event.Source,
            ReportingComponent = Event.ReportingComponent,
            ReportingInstance = Event.ReportingInstance,
        };
    }
}
