using WgMesh.Operator.State;

namespace WgMesh.Operator.Distribution;

/// <summary>Who leads, as far as this replica knows.</summary>
/// <param name="IsThis">This replica does.</param>
/// <param name="Address">Where another does; null: this one does, or nobody is known.</param>
internal sealed record LeaderView(bool IsThis, Uri? Address);

/// <summary>Which of the operator's replicas leads now: it alone writes, and hears of every agent. Thread-safe.</summary>
internal sealed class Leader
{
    private readonly Lock _lock = new();

    private Leader(LeaderView first) => View = new Latest<LeaderView>(first);

    /// <summary>The newest that is known.</summary>
    public Latest<LeaderView> View { get; }

    /// <summary>This operator is the only one.</summary>
    public static Leader Alone() => new(new LeaderView(true, null));

    /// <summary>One of several; at first nobody is known to lead.</summary>
    public static Leader Elected() => new(new LeaderView(false, null));

    /// <summary>Takes up what the election says.</summary>
    /// <param name="holder">
    /// The identity of who holds the lease, <c>NAME_ADDRESS:PORT</c> (an IPv6 address in brackets); null: nobody. One without an address is taken
    /// for nobody: it cannot be asked.
    /// </param>
    /// <param name="isThis">Whether this replica leads.</param>
    public void Follow(string? holder, bool isThis)
    {
        lock (_lock)
        {
            var view = new LeaderView(isThis, isThis ? null : AddressOf(holder));
            if (view != View.Value)
                View.Publish(view);
        }
    }

    private static Uri? AddressOf(string? holder)
    {
        var text = holder?[(holder.LastIndexOf('_') + 1)..];
        return holder?.Contains('_', StringComparison.Ordinal) == true
            && Uri.TryCreate($"https://{text}", UriKind.Absolute, out var address) && address.Authority == text
            ? address
            : null;
    }
}
