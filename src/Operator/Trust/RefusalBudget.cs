namespace WgMesh.Operator.Trust;

/// <summary>
/// How many tokens may be refused that come from one address: so many at once, and so many in each second. Whoever guesses uses up what is
/// their own address's, and keeps nobody else's callers out. Bounded in number: addresses that find no room any more share one budget. Not
/// thread-safe.
/// </summary>
internal sealed class RefusalBudget(TimeProvider time)
{
    /// <summary>Tokens.</summary>
    internal const double AtOnce = 200, PerSecond = 10;

    /// <summary>Addresses that something was refused to of late.</summary>
    internal const int MostAddresses = 4_096;

    private readonly Dictionary<string, Account> _accounts = new(StringComparer.Ordinal);
    private readonly Account _others = new(time.GetTimestamp());
    private long _sweptAt = time.GetTimestamp();

    /// <summary>Whether a token that nobody knows may be asked about.</summary>
    public bool Allows(string from) =>
        Left(_accounts.TryGetValue(from, out var account) ? account : _others) >= 1 || (account is null && _accounts.Count < MostAddresses);

    /// <summary>Takes note of a token that was refused.</summary>
    public void Refused(string from)
    {
        if (!_accounts.TryGetValue(from, out var account))
        {
            Sweep();
            account = _accounts.Count < MostAddresses ? _accounts[from] = new Account(time.GetTimestamp()) : _others;
        }

        account.Left = Math.Max(0, Left(account) - 1);
    }

    private double Left(Account account)
    {
        var now = time.GetTimestamp();
        account.Left = Math.Min(AtOnce, account.Left + (time.GetElapsedTime(account.AsOf, now).TotalSeconds * PerSecond));
        account.AsOf = now;
        return account.Left;
    }

    // what is whole again is worth nothing: once a second at most, since it looks at all
    private void Sweep()
    {
        if (_accounts.Count < MostAddresses || time.GetElapsedTime(_sweptAt) < TimeSpan.FromSeconds(1))
            return;
        _sweptAt = time.GetTimestamp();
        foreach (var (from, account) in _accounts)
        {
            if (Left(account) >= AtOnce)
                _accounts.Remove(from);
        }
    }

    private sealed class Account(long asOf)
    {
        public double Left { get; set; } = AtOnce;

        public long AsOf { get; set; } = asOf;
    }
}
