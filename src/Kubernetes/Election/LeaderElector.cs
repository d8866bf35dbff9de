using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>
/// Leads while it holds a Lease. Its own deadlines are on monotonic time; what others wrote is judged by when it was seen to change, never by
/// their clocks. It does not fence: what a leader writes must bear being written by two.
/// </summary>
public sealed class LeaderElector(KubernetesClient client, LeaderElectionOptions options, TimeProvider time, ILogger logger)
{
    /// <summary>Who holds the lease, as far as is known; null: nobody. Also while this process does.</summary>
    public string? Leader => throw new NotImplementedException();

    /// <summary>Raised when <see cref="Leader"/> changed.</summary>
    public event Action<string?>? LeaderChanged;

    /// <summary>Whether this process leads now.</summary>
    public bool IsLeader => throw new NotImplementedException();

    /// <summary>
    /// Waits for the lease, runs <paramref name="lead"/> for as long as it is held, and starts over; until cancelled. The token given to
    /// <paramref name="lead"/> is cancelled, and <paramref name="lead"/> awaited, before the lease is released.
    /// </summary>
    public Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <summary>The lease and its times.</summary>
public sealed record LeaderElectionOptions
{
    /// <summary>Namespace of the Lease.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the Lease.</summary>
    public required string Name { get; init; }

    /// <summary>This process: unlike every other's.</summary>
    public required string Identity { get; init; }

    /// <summary>So long after the last renewal that was seen others may take over.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>So long after its last renewal the leader stops leading.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Between two attempts.</summary>
    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);
}
