using System.Net.Sockets;
using WgMesh.NodeAgent.Handover;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Handover;

public sealed class SuccessionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly RecordingLog _log = new();
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(60));

    public void Dispose()
    {
        _limit.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_first_agent_has_the_data_plane_and_nobody_else()
    {
        await using var first = Tenure.TryBegin(_folder.Path);

        Assert.NotNull(first);
        Assert.Null(Tenure.TryBegin(_folder.Path));
        Assert.Null(AgentLock.TryTake(_folder.Path));
        Assert.False(first.Asked.IsCompleted);
    }

    [Fact]
    public async Task One_that_comes_asks_and_gets_it_when_the_other_has_let_go()
    {
        var first = Tenure.TryBegin(_folder.Path)!;
        var taking = Take(ask: true);
        await first.Asked.WaitAsync(_limit.Token);
        Assert.False(taking.IsCompleted);

        await first.DisposeAsync();

        // at once: no time passes
        await using var second = await taking.WaitAsync(_limit.Token);
        Assert.True(File.Exists(_folder.File(Tenure.SocketName)));
        Assert.Null(Tenure.TryBegin(_folder.Path));
    }

    [Fact]
    public async Task One_that_was_asked_waits_without_asking_and_takes_over_when_the_other_ends()
    {
        var second = Tenure.TryBegin(_folder.Path)!;
        var waiting = Take(ask: false);
        await Wait.Until(() => _time.Waits.Contains(Succession.LookInterval));
        Assert.False(second.Asked.IsCompleted);

        await second.DisposeAsync();
        Tenure? first = null;
        await Wait.Until(() => waiting.IsCompleted, () => _time.Advance(Succession.LookInterval));
        first = await waiting;
        await first.DisposeAsync();
        Assert.Empty(_log.Warnings);
    }

    [Fact]
    public async Task A_socket_that_a_dead_agent_left_is_replaced()
    {
        // bound, and closed without its file being deleted
        File.WriteAllText(_folder.File(Tenure.SocketName), "");

        await using var tenure = await Take(ask: true).WaitAsync(_limit.Token);

        using var asker = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await asker.ConnectAsync(new UnixDomainSocketEndPoint(_folder.File(Tenure.SocketName)));
        await tenure.Asked.WaitAsync(_limit.Token);
    }

    [Fact]
    public async Task One_that_has_no_socket_is_waited_for_and_told_of_once()
    {
        var older = AgentLock.TryTake(_folder.Path)!;
        var taking = Take(ask: true);

        await Wait.Until(() => _log.Warnings.Any(), () => _time.Advance(Succession.LookInterval));
        Assert.Contains("cannot be asked", Assert.Single(_log.Warnings), StringComparison.Ordinal);

        older.Dispose();
        await Wait.Until(() => taking.IsCompleted, () => _time.Advance(Succession.LookInterval));
        await (await taking).DisposeAsync();
        Assert.Single(_log.Warnings);
    }

    [Fact]
    public async Task One_that_does_not_let_go_is_told_of_once()
    {
        var stuck = Tenure.TryBegin(_folder.Path)!;
        var taking = Take(ask: true);
        await stuck.Asked.WaitAsync(_limit.Token);
        await Wait.Until(() => _time.Waits.Contains(Succession.Patience));

        await Wait.Until(() => _log.Warnings.Any(), () => _time.Advance(TimeSpan.FromSeconds(1)));
        Assert.Contains("has been asked", Assert.Single(_log.Warnings), StringComparison.Ordinal);
        Assert.Contains(_folder.File(AgentLock.FileName), _log.Warnings.Single(), StringComparison.Ordinal);

        await stuck.DisposeAsync();
        await (await taking.WaitAsync(_limit.Token)).DisposeAsync();
    }

    [Fact]
    public async Task Of_three_each_gets_it_that_asks_and_none_that_was_asked()
    {
        var a = Tenure.TryBegin(_folder.Path)!;
        var b = Take(ask: true);
        await a.Asked.WaitAsync(_limit.Token);
        await a.DisposeAsync();
        var c = Take(ask: true);
        var tenureB = await b.WaitAsync(_limit.Token);
        await Wait.Until(() => tenureB.Asked.IsCompleted, () => _time.Advance(Succession.LookInterval));
        await tenureB.DisposeAsync();

        await using var tenureC = await c.WaitAsync(_limit.Token);
        Assert.False(tenureC.Asked.IsCompleted);
    }

    [Fact]
    public async Task Waiting_ends_when_it_is_cancelled()
    {
        await using var first = Tenure.TryBegin(_folder.Path);
        using var stop = new CancellationTokenSource();
        var taking = new Succession(_folder.Path, _time, _log).TakeAsync(ask: true, stop.Token);
        await first!.Asked.WaitAsync(_limit.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking.WaitAsync(_limit.Token));
    }

    [Fact]
    public async Task What_ends_in_a_released_node_leaves_nothing_in_the_folder()
    {
        var folder = Directory.CreateDirectory(_folder.File("run")).FullName;
        var tenure = Tenure.TryBegin(folder)!;
        tenure.LeaveNothing = true;
        await tenure.DisposeAsync();
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task What_others_put_into_the_folder_stays()
    {
        var tenure = Tenure.TryBegin(_folder.Path)!;
        tenure.LeaveNothing = true;
        File.WriteAllText(_folder.File("theirs"), "");
        await tenure.DisposeAsync();
        Assert.Equal([_folder.File("theirs")], Directory.GetFileSystemEntries(_folder.Path));
    }

    private Task<Tenure> Take(bool ask) => new Succession(_folder.Path, _time, _log).TakeAsync(ask, _limit.Token);
}
