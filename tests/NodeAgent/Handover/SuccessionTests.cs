using System.Net.Sockets;
using WgMesh.NodeAgent.Handover;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Handover;

public sealed class SuccessionTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

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
        await using var first = Begin();

        Assert.NotNull(first);
        Assert.Null(Begin());
        Assert.Null(AgentLock.TryTake(_folder.Path, make: true));
        Assert.False(first.Asked.IsCompleted);
    }

    [Fact]
    public async Task One_that_comes_asks_and_gets_it_when_the_other_has_let_go()
    {
        var first = Begin()!;
        var taking = Take(1);
        await first.Asked.WaitAsync(_limit.Token);
        Assert.False(taking.IsCompleted);

        await first.DisposeAsync();

        // at once: no time passes
        await using var second = await taking.WaitAsync(_limit.Token);
        Assert.True(File.Exists(_folder.File(Tenure.SocketName)));
        Assert.Null(Begin());
    }

    [Fact]
    public async Task One_that_was_asked_waits_without_asking_and_takes_over_when_the_other_ends()
    {
        var second = Begin()!;
        var waiting = Take(-1, isNew: false);
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

        await using var tenure = await Take(1).WaitAsync(_limit.Token);

        using var asker = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await asker.ConnectAsync(new UnixDomainSocketEndPoint(_folder.File(Tenure.SocketName)));
        await asker.SendAsync(BitConverter.GetBytes(DateTimeOffset.MaxValue.UtcTicks));
        await tenure.Asked.WaitAsync(_limit.Token);
    }

    [Fact]
    public async Task One_that_has_no_socket_is_waited_for_and_told_of_once()
    {
        var older = AgentLock.TryTake(_folder.Path, make: true)!;
        var taking = Take(1);

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
        var stuck = Begin()!;
        var taking = Take(1);
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
        var a = Begin()!;
        var b = Take(1);
        await a.Asked.WaitAsync(_limit.Token);
        await a.DisposeAsync();
        var c = Take(2);
        var tenureB = await b.WaitAsync(_limit.Token);
        await Wait.Until(() => tenureB.Asked.IsCompleted, () => _time.Advance(Succession.LookInterval));
        await tenureB.DisposeAsync();

        await using var tenureC = await c.WaitAsync(_limit.Token);
        Assert.False(tenureC.Asked.IsCompleted);
    }

    [Fact]
    public async Task Waiting_ends_when_it_is_cancelled()
    {
        await using var first = Begin();
        using var stop = new CancellationTokenSource();
        var taking = new Succession(_folder.Path, Noon.AddHours(1), _time, _log).TakeAsync(isNew: true, stop.Token);
        await first!.Asked.WaitAsync(_limit.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking.WaitAsync(_limit.Token));
    }

    [Fact]
    public async Task What_ends_in_a_released_node_leaves_nothing_in_the_folder()
    {
        var folder = Directory.CreateDirectory(_folder.File("run")).FullName;
        var tenure = Tenure.TryBegin(folder, Noon, make: true)!;
        tenure.LeaveNothing = true;
        await tenure.DisposeAsync();
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task What_others_put_into_the_folder_stays()
    {
        var tenure = Begin()!;
        tenure.LeaveNothing = true;
        File.WriteAllText(_folder.File("theirs"), "");
        await tenure.DisposeAsync();
        Assert.Equal([_folder.File("theirs")], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task One_that_is_older_is_refused_and_waits_without_a_warning()
    {
        var newer = Begin();
        var taking = Take(-1);
        await Wait.Until(() => _log.All.Contains("was started later", StringComparison.Ordinal));
        for (var asked = 0; asked < 3; asked++)
        {
            await Wait.Until(() => _time.Waits.Contains(Succession.LookInterval));
            _time.Advance(Succession.AskInterval);
        }

        Assert.False(newer!.Asked.IsCompleted);
        Assert.Empty(_log.Warnings);
        Assert.Single(_log.Lines);

        await newer.DisposeAsync();
        await Wait.Until(() => taking.IsCompleted, () => _time.Advance(Succession.LookInterval));
        await (await taking).DisposeAsync();
    }

    [Fact]
    public async Task One_that_starts_again_asks_after_a_minute_and_not_before()
    {
        var older = Begin();
        var taking = Take(1, isNew: false);
        for (var passed = TimeSpan.Zero; passed < Succession.AskInterval - Succession.LookInterval; passed += Succession.LookInterval)
        {
            await Wait.Until(() => _time.Waits.Contains(Succession.LookInterval));
            _time.Advance(Succession.LookInterval);
        }

        Assert.False(older!.Asked.IsCompleted);

        await Wait.Until(() => older.Asked.IsCompleted, () => _time.Advance(Succession.LookInterval));
        await older.DisposeAsync();
        await (await taking.WaitAsync(_limit.Token)).DisposeAsync();
    }

    [Fact]
    public async Task One_that_asks_without_a_word_gets_nothing()
    {
        await using var tenure = Begin();
        using (var silent = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await silent.ConnectAsync(new UnixDomainSocketEndPoint(_folder.File(Tenure.SocketName)));
            silent.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await silent.ReceiveAsync(new byte[1], _limit.Token));
        }

        Assert.False(tenure!.Asked.IsCompleted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_waits_does_not_put_back_what_was_released(bool isFolderLeft)
    {
        var folder = Directory.CreateDirectory(_folder.File("run")).FullName;
        var releasing = Tenure.TryBegin(folder, Noon, make: true)!;
        using var stop = new CancellationTokenSource();
        var waiting = new Succession(folder, Noon.AddHours(-1), _time, _log).TakeAsync(isNew: false, stop.Token);
        releasing.LeaveNothing = true;
        await releasing.DisposeAsync();
        if (isFolderLeft)
        {
            Directory.CreateDirectory(folder);
        }

        await Wait.Until(() => _log.Warnings.Any(), () => _time.Advance(Succession.LookInterval));
        Assert.Contains("stays out of it", Assert.Single(_log.Warnings), StringComparison.Ordinal);
        Assert.Equal(isFolderLeft, Directory.Exists(folder));
        Assert.False(waiting.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(_limit.Token));
    }

    [Fact]
    public async Task One_that_is_new_gets_what_was_released_when_it_asks()
    {
        var folder = Directory.CreateDirectory(_folder.File("run")).FullName;
        var released = Tenure.TryBegin(folder, Noon, make: true)!;
        var taking = new Succession(folder, Noon.AddHours(1), _time, _log).TakeAsync(isNew: true, _limit.Token);
        await released.Asked.WaitAsync(_limit.Token);
        released.LeaveNothing = true;
        await released.DisposeAsync();

        await using var tenure = await taking.WaitAsync(_limit.Token);
        Assert.True(AgentLock.Exists(folder));
    }

    [Fact]
    public void Of_agents_that_come_while_others_release_the_node_one_at_a_time_has_the_lock()
    {
        var folder = _folder.File("run");
        var (holders, taken) = (0, 0);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            for (var tries = 0; tries < 400; tries++)
            {
                using var mine = AgentLock.TryTake(folder, make: true);
                if (mine is null)
                {
                    continue;
                }

                Assert.Equal(1, Interlocked.Increment(ref holders));
                Interlocked.Increment(ref taken);
                Interlocked.Decrement(ref holders);
                mine.Delete();
            }
        });
        Assert.NotEqual(0, taken);
    }

    private Tenure? Begin() => Tenure.TryBegin(_folder.Path, Noon, make: true);

    /// <summary>An agent that was started so many hours after the one that <see cref="Begin"/> makes.</summary>
    private Task<Tenure> Take(int hours, bool isNew = true) =>
        new Succession(_folder.Path, Noon.AddHours(hours), _time, _log).TakeAsync(isNew, _limit.Token);
}
