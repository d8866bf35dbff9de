using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Election;

/// <summary>That the API server takes what an elector writes, and that two electors get along by it.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class LeaderElectorSystemTests(KubernetesServer server) : IAsyncLifetime
{
    private readonly string _lease = "lease-" + Guid.NewGuid().ToString("n")[..8];
    private readonly List<Replica> _replicas = [];
    private readonly Lock _gate = new();
    private int _leading;
    private int _mostLeading;

    public Task InitializeAsync() => server.AddNamespaceAsync("election");

    public async Task DisposeAsync()
    {
        foreach (var replica in _replicas)
            await replica.DisposeAsync();
    }

    [Fact]
    public async Task The_other_leads_when_the_leader_is_cut_off_and_again_when_it_shuts_down_and_never_two_at_once()
    {
        var a = Start("a");
        await Until(() => a.Elector.IsLeader);
        var b = Start("b");
        await Until(() => b.Elector.Leader == "a");
        Assert.False(b.Elector.IsLeader);

        a.IsCut = true;
        await Until(() => b.Elector.IsLeader);
        Assert.False(a.Elector.IsLeader);
        a.IsCut = false;
        await Until(() => a.Elector.Leader == "b");
        Assert.Equal("b", await HolderAsync());

        await b.StopAsync();
        await Until(() => a.Elector.IsLeader);
        await a.StopAsync();
        Assert.Equal("", await HolderAsync());
        Assert.Equal(1, _mostLeading);
    }

    [Fact]
    public async Task A_leader_leads_again_when_the_server_is_back()
    {
        var a = Start("a");
        await Until(() => a.Elector.IsLeader);
        await server.StopApiServerAsync();
        await server.StartApiServerAsync();
        await Until(() => a.Elector.IsLeader);
        var until = a.Elector.LeadUntil;
        await Until(() => a.Elector.LeadUntil > until);
    }

    [Fact]
    public async Task Fields_of_the_lease_that_are_not_known_here_are_kept()
    {
        await server.SendAsync(HttpMethod.Post, "/apis/coordination.k8s.io/v1/namespaces/election/leases", new()
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = _lease,
                ["annotations"] = new JsonObject { ["example.org/note"] = "keep" },
                ["generateName"] = "prefix-",
            },
        });
        var a = Start("a");
        await Until(() => a.Elector.IsLeader);
        var lease = (await server.FindAsync($"/apis/coordination.k8s.io/v1/namespaces/election/leases/{_lease}"))!;
        Assert.Equal("a", (string?)lease["spec"]!["holderIdentity"]);
        Assert.Equal(("keep", "prefix-"), ((string?)lease["metadata"]!["annotations"]!["example.org/note"], (string?)lease["metadata"]!["generateName"]));
    }

    private Replica Start(string name)
    {
        var replica = new Replica(this, server.Admin, name);
        _replicas.Add(replica);
        return replica;
    }

    private async Task<string?> HolderAsync() =>
        (string?)(await server.FindAsync($"/apis/coordination.k8s.io/v1/namespaces/election/leases/{_lease}"))!["spec"]!["holderIdentity"] ?? "";

    private static Task Until(Func<bool> condition) => Wait.Until(condition, "the replicas have come so far");

    private sealed class Replica : DelegatingHandler
    {
        private readonly LeaderElectorSystemTests _test;
        private readonly KubernetesClient _client;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;
        public volatile bool IsCut;

        public Replica(LeaderElectorSystemTests test, KubernetesClientConfiguration configuration, string name)
        {
            _test = test;
            _client = new KubernetesClient(configuration, null, this);
            // a leader that is cut off has ten seconds to notice before another may take over, however slow the machine
            var options = new LeaderElectionOptions
            {
                Namespace = "election",
                Name = test._lease,
                Identity = name,
                LeaseDuration = TimeSpan.FromSeconds(15),
                RenewDeadline = TimeSpan.FromSeconds(5),
                RetryPeriod = TimeSpan.FromSeconds(1),
            };
            Elector = new LeaderElector(_client, options, TimeProvider.System, new RecordingLog());
            _running = Elector.RunAsync(LeadAsync, _stop.Token);
        }

        public LeaderElector Elector { get; }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        }

        public async Task DisposeAsync()
        {
            IsCut = false;
            await StopAsync();
            _client.Dispose();
            _stop.Dispose();
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            IsCut ? throw new HttpRequestException("cut") : base.SendAsync(request, cancellationToken);

        private async Task LeadAsync(CancellationToken cancellationToken)
        {
            lock (_test._gate)
                _test._mostLeading = Math.Max(_test._mostLeading, ++_test._leading);
            try
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            finally
            {
                lock (_test._gate)
                    _test._leading--;
            }
        }
    }
}
