namespace WgMesh.Operator.State;

/// <summary>
/// A value that is replaced from time to time, and whose readers want the newest one only: nothing is queued, and a slow
/// reader skips what it missed.
/// </summary>
internal sealed class Latest<T>(T initial) where T : class
{
    private volatile Version _version = new(initial);

    /// <summary>The newest value.</summary>
    public T Value => _version.Value;

    /// <summary>Replaces the value and wakes whoever waits. Calls must not overlap.</summary>
    public void Publish(T value)
    {
        var old = _version;
        _version = new Version(value);
        old.Replaced.SetResult();
    }

    /// <summary>The newest value as soon as it is another than <paramref name="seen"/>.</summary>
    public async Task<T> NextAsync(T seen, CancellationToken cancellationToken)
    {
        while (true)
        {
            var version = _version;
            if (!ReferenceEquals(version.Value, seen))
                return version.Value;
            await version.Replaced.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Calls back with the value now, and with the newest one whenever there is another; until cancelled.</summary>
    public async Task FollowAsync(Action<T> seen, CancellationToken cancellationToken)
    {
        for (var value = Value; ; value = await NextAsync(value, cancellationToken))
            seen(value);
    }

    private sealed class Version(T value)
    {
        public T Value { get; } = value;

        public TaskCompletionSource Replaced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
