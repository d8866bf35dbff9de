using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests.Election;

/// <summary>A process that wants to lead, with a clock of its own.</summary>
internal sealed class Candidate : IDisposable
{
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(2.4);

    private readonly LeaseServer _server;
    private readonly Connection _connection;
    private readonly KubernetesClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string?> _leaders = [];
    private TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;
    private volatile int _leads;
    private volatile bool _isAtWork;
    private volatile bool _isEnding;
    private volatile bool _isDead;

    public Candidate(LeaseServer server, string name)
    {
        _server = server;
        _connection = new Connection(server);
        _client = new KubernetesClient(new KubernetesClientConfiguration { Host = new Uri("http://127.0.0.1:1") }, null, [_connection]);
        Elector = new LeaderElector(_client, new LeaderElectionOptions { Namespace = "s", Name = "l", Identity = name }, Time, Log);
        Elector.LeaderChanged += leader =>
        {
            lock (_leaders)
                _leaders.Add(leader);
        };
    }

    public ManualTime Time { get; } = new();

    public RecordingLog Log { get; } = new();

    public LeaderElector Elector { get; }

    /// <summary>Who led, as it was told.</summary>
    public IReadOnlyList<string?> Leaders
    {
        get
        {
            lock (_leaders)
                return [.. _leaders];
        }
    }

    /// <summary>How often it began to lead.</summary>
    public int Leads => _leads;

    public bool IsLeading => _isAtWork && !IsOver && Elector.IsLeader;

    /// <summary>Whether its work was cancelled.</summary>
    public bool IsEnding => _isEnding;

    /// <summary>Whether it is dead or done.</summary>
    public bool IsOver => _isDead || _running.IsCompleted;

    /// <summary>Whether it waits for time to pass, with no attempt on its way.</summary>
    public bool IsResting => Time.Waits is [var wait] && wait <= LongestRest;

    /// <summary>What its work waits for before it ends.</summary>
    public Task AtEnd { get; set; } = Task.CompletedTask;

    public void Start() => _running = Elector.RunAsync(LeadAsync, _stop.Token);

    /// <summary>Shuts it down.</summary>
    public void Stop() => _stop.Cancel();

    /// <summary>Has its work end.</summary>
    public void End(Exception? failure)
    {
        if (failure is null)
            _end.SetResult();
        else
            _end.SetException(failure);
    }

    /// <summary>Has it do nothing more, as when its machine loses power.</summary>
    public void Die()
    {
        _isDead = true;
        _connection.IsCut = true;
        if (_isAtWork)
            _server.EndLeading();
    }

    /// <summary>Waits until it has ended.</summary>
    public async Task EndedAsync() => await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(Wait.Limit));

    /// <summary>Takes it down, whatever it is doing.</summary>
    public async Task EndAsync()
    {
        await _stop.CancelAsync();
        await ((Task)Task.WhenAny(_running)).WaitAsync(Wait.Limit);
        Dispose();
    }

    public void Dispose()
    {
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task LeadAsync(CancellationToken cancellationToken)
    {
        _server.BeginLeading();
        _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _isAtWork = true;
        _leads++;
        try
        {
            await _end.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _isEnding = true;
            await AtEnd;
            _isAtWork = false;
            if (!_isDead)
                _server.EndLeading();
        }
    }

    private sealed class Connection(LeaseServer server) : DelegatingHandler
    {
        public volatile bool IsCut;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            IsCut ? throw new HttpRequestException("cut") : server.AnswerAsync(request, cancellationToken);
    }
}
