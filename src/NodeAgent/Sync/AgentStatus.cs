using System.Collections.Immutable;

namespace WgMesh.NodeAgent.Sync;

/// <summary>How it stands with the operator.</summary>
internal enum OperatorConnection
{
    /// <summary>Being called, or waited for before the next call.</summary>
    Disconnected,

    /// <summary>A stream is open and its configuration has come.</summary>
    Connected,

    /// <summary>It answered, but does not want this agent: a matter of tokens or names.</summary>
    Refused,
}

/// <summary>The configuration in force.</summary>
/// <param name="Revision">As its operator numbered it.</param>
/// <param name="Stream">
/// On which stream of this process it came; 0: from the cache. Revisions of different operator processes cannot be compared, so a
/// report says one only to the operator that gave it.
/// </param>
internal sealed record AppliedConfig(ulong Revision, int Stream)
{
    internal bool FromCache => Stream == 0;
}

/// <summary>What the agent says of itself, at one moment.</summary>
internal sealed record AgentState
{
    internal OperatorConnection Operator { get; init; }

    /// <summary>The operator's address that was called last.</summary>
    internal string? OperatorAddress { get; init; }

    /// <summary>Why the newest call to an operator failed; null: it did not.</summary>
    internal string? OperatorError { get; init; }

    /// <summary>Whether the data plane of the node is this agent's, and there.</summary>
    internal bool Active { get; init; }

    /// <summary>Null: none.</summary>
    internal AppliedConfig? Applied { get; init; }

    /// <summary>Whether the mesh lets packets out in the clear while there is no tunnel for them.</summary>
    internal bool PolicyOpen { get; init; }

    /// <summary>Whether pods can be started; null: that is somebody else's.</summary>
    internal bool? PodsReady { get; init; }

    /// <summary>Whether everything of the mesh was taken off the node. It stays so for as long as this process lives.</summary>
    internal bool Released { get; init; }

    /// <summary>Why the newest configuration was refused as a whole, if it was: the one before it stays in force.</summary>
    internal ImmutableArray<string> Refusals { get; init; } = [];

    /// <summary>What of the configuration in force could not be carried out.</summary>
    internal ImmutableArray<string> Faults { get; init; } = [];

    /// <summary>Refusals and faults: what an operator is told.</summary>
    internal ImmutableArray<string> Errors => [.. Refusals, .. Faults];
}

/// <summary>The newest <see cref="AgentState"/>, for health, metrics and reports.</summary>
internal sealed class AgentStatus
{
    private readonly Lock _lock = new();
    private AgentState _current = new();
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>The newest state.</summary>
    internal AgentState Current => Volatile.Read(ref _current);

    /// <summary>Completes at the next change.</summary>
    internal Task Changed
    {
        get
        {
            lock (_lock)
            {
                return _changed.Task;
            }
        }
    }

    /// <summary>Changes the state.</summary>
    internal void Update(Func<AgentState, AgentState> change)
    {
        lock (_lock)
        {
            Volatile.Write(ref _current, change(_current));
            var changed = _changed;
            _changed = NewSignal();
            changed.SetResult();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
