namespace WgMesh.Kubernetes.Tests.Election;

public sealed class LeaderElectorTests : IAsyncLifetime
{
    private readonly LeaseServer _server = new();
    private readonly List<Candidate> _candidates = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _server.Answers = true;
        foreach (var candidate in _candidates)
            await candidate.EndAsync();
    }

    [Fact]
    public async Task The_first_takes_the_lease_and_the_others_wait_and_know_who_leads()
    {
        var a = await Leading("a");
        var b = await Waiting("b");
        Assert.Equal(("a", "a"), (a.Elector.Leader, b.Elector.Leader));
        Assert.Equal((true, false), (a.Elector.IsLeader, b.Elector.IsLeader));
        Assert.Equal(["a"], a.Leaders);
        Assert.Equal(["a"], b.Leaders);
        Assert.Equal(0, b.Leads);
        var spec = _server.Lease!["spec"]!;
        Assert.Equal(("a", 15, 0), ((string?)spec["holderIdentity"], (int)spec["leaseDurationSeconds"]!, (int)spec["leaseTransitions"]!));
    }

    [Fact]
    public async Task A_leader_that_renews_stays_however_long_and_nobody_else_leads_meanwhile()
    {
        var a = await Leading("a");
        var b = await Waiting("b");
        for (var i = 0; i < 30; i++)
            await PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal((1, 0), (a.Leads, b.Leads));
        Assert.True(a.Elector.IsLeader);
        Assert.Equal("a", b.Elector.Leader);
    }

    [Fact]
    public async Task A_leader_that_died_is_followed_when_its_lease_has_run_out_and_not_before()
    {
        var a = await Leading("a");
        var b = await Waiting("b");
        await PassAsync(TimeSpan.FromSeconds(2));
        a.Die();
        // b may have seen the last renewal only after it: what counts is when it did
        var passed = TimeSpan.Zero;
        while (!b.Elector.IsLeader)
        {
            Assert.True(passed <= TimeSpan.FromSeconds(15 + (2 * 2.4)), $"b does not lead after {passed}");
            await PassAsync(TimeSpan.FromSeconds(0.1));
            passed += TimeSpan.FromSeconds(0.1);
        }

        Assert.True(passed >= TimeSpan.FromSeconds(14.9), $"b leads after {passed}");
        await Until(() => b.Leads == 1);
        Assert.Equal(["a", "b"], b.Leaders);
        Assert.Equal(1, (int)_server.Lease!["spec"]!["leaseTransitions"]!);
    }

    [Fact]
    public async Task A_lease_holds_for_as_long_as_it_says_itself()
    {
        _server.Store("other", durationSeconds: 40);
        var a = await Waiting("a");
        await PassAsync(TimeSpan.FromSeconds(39.5));
        Assert.False(a.Elector.IsLeader);
        await PassAsync(TimeSpan.FromSeconds(1));
        await Until(() => a.Leads == 1);
    }

    [Fact]
    public async Task A_lease_is_released_after_the_work_has_ended_and_then_taken_at_once()
    {
        var a = await Leading("a");
        var b = await Waiting("b");
        var ended = new TaskCompletionSource();
        a.AtEnd = ended.Task;
        a.Stop();
        await Until(() => a.IsEnding && !a.Elector.IsLeader);
        Assert.Equal("a", _server.Holder);
        ended.SetResult();
        await a.EndedAsync();
        Assert.Equal("", _server.Holder);
        Assert.Equal(1, (int)_server.Lease!["spec"]!["leaseDurationSeconds"]!);
        Assert.Equal(["a", null], a.Leaders);
        await PassAsync(TimeSpan.FromSeconds(2.4));
        await Until(() => b.Leads == 1);
    }

    [Fact]
    public async Task Work_that_does_not_end_keeps_the_lease_from_being_released()
    {
        var a = await Leading("a");
        var never = new TaskCompletionSource();
        a.AtEnd = never.Task;
        a.Stop();
        await Until(() => a.IsEnding && a.Time.Waits.Contains(LeaderElector.EndLimit));
        a.Time.Advance(LeaderElector.EndLimit);
        await a.EndedAsync();
        Assert.Equal("a", _server.Holder);
        Assert.Equal((1, 0), (a.Log.Count(516), a.Log.Count(513)));
        never.SetResult();
    }

    [Fact]
    public async Task A_leader_that_cannot_renew_stops_before_its_lease_has_run_out()
    {
        var a = await Leading("a");
        var until = a.Elector.LeadUntil;
        Assert.Equal(a.Time.GetTimestamp() + (10 * a.Time.TimestampFrequency), until);
        _server.Answers = false;
        await PassAsync(TimeSpan.FromSeconds(9.9));
        Assert.True(a.Elector.IsLeader);
        Assert.False(a.IsEnding);
        a.Time.Advance(TimeSpan.FromSeconds(0.1));
        // by the clock, whether or not anything else has run
        Assert.False(a.Elector.IsLeader);
        await Until(() => a.IsEnding);
        Assert.Equal((1, 1), (a.Log.Count(512), a.Log.Count(517)));
        Assert.Equal(["a", null], a.Leaders);

        _server.Answers = true;
        while (a.Leads < 2)
        {
            await Until(() => a.IsResting || a.Leads == 2);
            a.Time.Advance(TimeSpan.FromSeconds(0.5));
        }

        Assert.Equal(1, a.Log.Count(518));
    }

    [Fact]
    public async Task A_renewal_extends_the_time_to_lead_from_when_it_was_sent()
    {
        var a = await Leading("a");
        var before = a.Elector.LeadUntil;
        await PassAsync(TimeSpan.FromSeconds(2));
        Assert.Equal(before + (2 * a.Time.TimestampFrequency), a.Elector.LeadUntil);
    }

    [Fact]
    public async Task A_leader_whose_lease_was_taken_stops_at_its_next_renewal_and_does_not_touch_it()
    {
        var a = await Leading("a");
        _server.Store("thief");
        await PassAsync(TimeSpan.FromSeconds(2));
        await Until(() => a.IsEnding);
        Assert.False(a.Elector.IsLeader);
        Assert.Equal("thief", _server.Holder);
        Assert.Equal(["a", "thief"], a.Leaders);
    }

    [Fact]
    public async Task A_renewal_that_went_through_without_an_answer_costs_nothing()
    {
        var a = await Leading("a");
        _server.LosesAnswers = true;
        await PassAsync(TimeSpan.FromSeconds(2));
        await Until(() => a.Log.Count(517) == 1);
        _server.LosesAnswers = false;
        await PassAsync(TimeSpan.FromSeconds(2));
        await Until(() => a.Log.Count(518) == 1);
        Assert.True(a.Elector.IsLeader);
        Assert.Equal(1, a.Leads);
    }

    [Fact]
    public async Task A_process_that_comes_back_under_its_name_takes_its_own_lease_at_once()
    {
        _server.Store("a");
        await Leading("a");
        Assert.Equal(0, (int)_server.Lease!["spec"]!["leaseTransitions"]!);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Work_that_fails_or_ends_gives_the_lease_up_and_is_begun_again_after_a_pause(bool fails)
    {
        var a = await Leading("a");
        a.End(fails ? new InvalidOperationException("broken") : null);
        await Until(() => a.Log.Count(515) == 1 && a.Time.Waits.Count == 1);
        Assert.Equal("", _server.Holder);
        Assert.InRange(a.Time.Waits.Single().TotalSeconds, 0.8, 1.6);
        a.Time.Advance(TimeSpan.FromSeconds(1.6));
        await Until(() => a.Leads == 2);
        Assert.Equal(["a", null, "a"], a.Leaders);
    }

    [Theory]
    [InlineData(-10)]
    [InlineData(10)]
    public async Task Jumps_of_the_wall_clock_change_nothing(int years)
    {
        var a = await Leading("a");
        var b = await Waiting("b");
        for (var i = 0; i < 15; i++)
        {
            foreach (var time in new[] { a.Time, b.Time })
                time.SetUtcNow(time.GetUtcNow().AddYears(i % 2 == 0 ? years : -years).AddSeconds(i));
            await PassAsync(TimeSpan.FromSeconds(2));
        }

        Assert.True(a.Elector.IsLeader);
        Assert.Equal((1, 0), (a.Leads, b.Leads));
    }

    [Fact]
    public async Task Of_many_that_come_at_once_one_leads_at_a_time_through_deaths_and_departures()
    {
        foreach (var name in new[] { "a", "b", "c", "d" })
            NewCandidate(name).Start();
        for (var round = 0; round < 3; round++)
        {
            await Until(() => _candidates.Count(one => one.IsLeading) == 1);
            var leader = _candidates.Single(one => one.IsLeading);
            await PassAsync(TimeSpan.FromSeconds(4));
            if (round % 2 == 0)
                leader.Stop();
            else
                leader.Die();
            await Until(() => !leader.IsLeading);
            for (var i = 0; i < 100 && !_candidates.Any(one => one.IsLeading); i++)
            {
                await PassAsync(TimeSpan.FromSeconds(0.2));
                Assert.InRange(_candidates.Count(one => one.IsLeading), 0, 1);
            }
        }

        Assert.Equal(1, _server.MostLeadersAtOnce);
    }

    [Fact]
    public async Task A_handler_that_throws_does_not_end_it()
    {
        var a = NewCandidate("a");
        a.Elector.LeaderChanged += _ => throw new InvalidOperationException("handler");
        a.Start();
        await Until(() => a.Leads == 1 && a.Log.Count(519) == 1);
    }

    [Theory]
    [InlineData("", 15, 10, 2, "Identity")]
    [InlineData("a", 1.5, 1, 0.1, "LeaseDuration")]
    [InlineData("a", 10, 10, 2, "RenewDeadline")]
    [InlineData("a", 15, 10, 10, "RetryPeriod")]
    [InlineData("a", 15, 10, 0, "RetryPeriod")]
    public void Times_that_make_no_sense_are_refused_by_name(string identity, double lease, double deadline, double retry, string field)
    {
        var options = new LeaderElectionOptions
        {
            Namespace = "s",
            Name = "l",
            Identity = identity,
            LeaseDuration = TimeSpan.FromSeconds(lease),
            RenewDeadline = TimeSpan.FromSeconds(deadline),
            RetryPeriod = TimeSpan.FromSeconds(retry),
        };
        using var client = new KubernetesClient(new KubernetesClientConfiguration { Host = new Uri("http://127.0.0.1:1") });
        var refused = Assert.Throws<ArgumentException>(() => new LeaderElector(client, options, TimeProvider.System, new RecordingLog()));
        Assert.StartsWith(field, refused.Message, StringComparison.Ordinal);
    }

    private Candidate NewCandidate(string name)
    {
        var candidate = new Candidate(_server, name);
        _candidates.Add(candidate);
        return candidate;
    }

    private async Task<Candidate> Leading(string name)
    {
        var candidate = NewCandidate(name);
        candidate.Start();
        await Until(() => candidate.IsLeading && candidate.IsResting);
        return candidate;
    }

    private async Task<Candidate> Waiting(string name)
    {
        var candidate = NewCandidate(name);
        candidate.Start();
        await Until(() => candidate.Elector.Leader is not null && candidate.IsResting);
        return candidate;
    }

    /// <summary>Lets time pass for all in small steps, each when they have nothing else to do but wait for it.</summary>
    private async Task PassAsync(TimeSpan time)
    {
        var step = TimeSpan.FromSeconds(0.1);
        for (; time > TimeSpan.Zero; time -= step)
        {
            await Rest();
            foreach (var candidate in _candidates.Where(one => !one.IsOver))
                candidate.Time.Advance(step < time ? step : time);
        }

        await Rest();

        // requests that hang are ended by time alone
        Task Rest() => Until(() => _candidates.All(one => one.IsOver || (_server.Answers ? one.IsResting : one.Time.Waits.Count == 1)));
    }

    private static Task Until(Func<bool> condition) => Wait.Until(condition, "the candidates have come so far");
}
