namespace WgMesh.Kubernetes;

/// <summary>The lease and its times.</summary>
public sealed record LeaderElectionOptions
{
    /// <summary>Namespace of the Lease.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the Lease.</summary>
    public required string Name { get; init; }

    /// <summary>This process: unlike every other's.</summary>
    public required string Identity { get; init; }

    /// <summary>So long after the last renewal that was seen others may take over; whole seconds.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>So long after its last renewal the leader stops leading. What is left of the lease then is for what it has begun to end.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Between two attempts.</summary>
    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);

    internal LeaderElectionOptions Checked()
    {
        if (string.IsNullOrEmpty(Identity))
            throw new ArgumentException($"{nameof(Identity)} is empty: an election needs to tell its candidates apart.");
        if (LeaseDuration < TimeSpan.FromSeconds(1) || LeaseDuration.Ticks % TimeSpan.TicksPerSecond != 0)
            throw new ArgumentException($"{nameof(LeaseDuration)} is {LeaseDuration}: a Lease holds whole seconds, at least one.");
        if (RenewDeadline >= LeaseDuration)
            throw new ArgumentException($"{nameof(RenewDeadline)} ({RenewDeadline}) has to be less than {nameof(LeaseDuration)} ({LeaseDuration}).");
        if (RetryPeriod <= TimeSpan.Zero || RetryPeriod >= RenewDeadline)
            throw new ArgumentException($"{nameof(RetryPeriod)} ({RetryPeriod}) has to be more than zero and less than {nameof(RenewDeadline)} ({RenewDeadline}).");
        return this;
    }
}
