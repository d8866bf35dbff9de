using System.Collections.Concurrent;
using System.Net.Sockets;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;

namespace WgMesh.Engine.Tests.Uapi;

public sealed class UapiServerTests : IAsyncLifetime
{
    private const string Key = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("uapi").FullName;
    private readonly DeviceModel _device = new("wg0");
    private readonly ConcurrentQueue<string> _reports = new();
    private readonly UapiServer _server;

    public UapiServerTests() => _server = Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Requests_are_answered_one_after_the_other_on_one_connection()
    {
        using var client = Connect();
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
        Assert.Equal("errno=0\n\n", await client.AskAsync("set=1\nlisten_port=7\n\n"));
        Assert.Equal("listen_port=7\nerrno=0\n\n", await client.AskAsync("get=1\n\n"));
        await client.SendAsync("set=1\nlisten_port=8\n\n\nget=1\n\nget=1\n\n"); // at once, with an empty line too many
        Assert.Equal("errno=0\n\n", await client.ReceiveAsync());
        Assert.Equal("listen_port=8\nerrno=0\n\n", await client.ReceiveAsync());
        Assert.Equal("listen_port=8\nerrno=0\n\n", await client.ReceiveAsync());
    }

    [Fact]
    public async Task A_request_may_come_byte_by_byte()
    {
        using var client = Connect();
        foreach (var c in "set=1\nlisten_port=7\n\nget=1\n\n")
        {
            await client.SendAsync($"{c}");
        }

        Assert.Equal("errno=0\n\n", await client.ReceiveAsync());
        Assert.Equal("listen_port=7\nerrno=0\n\n", await client.ReceiveAsync());
    }

    [Fact]
    public async Task A_set_with_a_wrong_line_does_nothing_and_the_connection_goes_on()
    {
        using var client = Connect();
        Assert.Equal("errno=-22\n\n", await client.AskAsync($"set=1\nlisten_port=7\npublic_key={Key}\nendpoint=nowhere\nallowed_ip=10.0.0.0/8\n\n"));
        Assert.Equal("errno=-71\n\n", await client.AskAsync("set=1\nlisten_port=7\nwhat is this\n\n"));
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
        Assert.Empty(_device.Updates);
        Assert.Equal(2, _reports.Count);
        Assert.Contains("Line 3: endpoint has to be", _reports.First(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_device_answers_reaches_the_client()
    {
        using var client = Connect();
        _device.Error = new DeviceError(DeviceError.AddressInUse, "The port is taken.");
        Assert.Equal("errno=-98\n\n", await client.AskAsync("set=1\nlisten_port=7\n\n"));
        Assert.Equal(["A set was refused: The port is taken."], _reports);
    }

    [Fact]
    public async Task A_device_that_throws_is_an_IO_error_and_harms_nobody()
    {
        await using var server = UapiServer.Start(
            "wg1", _ => throw new InvalidOperationException("boom"), () => throw new InvalidOperationException("bang"), _reports.Enqueue, _directory);
        using var client = new UapiClient(server.SocketPath);
        Assert.Equal("errno=-5\n\n", await client.AskAsync("set=1\n\n"));
        Assert.Equal("errno=-5\n\n", await client.AskAsync("get=1\n\n"));
        Assert.Equal(["A set was refused: InvalidOperationException: boom", "A get failed: InvalidOperationException: bang"], _reports);
    }

    [Fact]
    public async Task A_request_cut_short_is_none()
    {
        using (var client = Connect())
        {
            await client.SendAsync("set=1\nlisten_port=7\n");
        }

        using var other = Connect();
        Assert.Equal("errno=0\n\n", await other.AskAsync("get=1\n\n"));
        await _server.DisposeAsync(); // waits for the connection's end
        Assert.Empty(_device.Updates);
    }

    [Fact]
    public async Task A_client_that_does_not_go_on_keeps_nobody_waiting()
    {
        var idle = Enumerable.Range(0, 50).Select(_ => Connect()).ToList();
        foreach (var client in idle)
        {
            await client.SendAsync($"set=1\npublic_key={Key}\nallowed_");
        }

        using var other = Connect();
        Assert.Equal("errno=0\n\n", await other.AskAsync("set=1\nlisten_port=7\n\n"));
        idle.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_line_without_end_is_cut_off_and_keeps_nobody_waiting()
    {
        using var client = Connect();
        using var other = Connect();
        await client.SendAsync("set=1\nlisten_port=" + new string('1', UapiLineReader.LongestLine - 12));
        Assert.Equal("errno=0\n\n", await other.AskAsync("get=1\n\n"));
        Assert.Equal("errno=-71\n\n", await client.ReceiveAsync());
        Assert.True(await client.HasHungUpAsync());
        Assert.Empty(_device.Updates);
    }

    [Fact]
    public async Task A_line_of_the_greatest_length_is_read()
    {
        using var client = Connect();
        var padding = new string('1', UapiLineReader.LongestLine - "listen_port=".Length - 1);
        Assert.Equal("errno=-22\n\n", await client.AskAsync($"set=1\nlisten_port={padding}\n\n"));
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\n\n")]
    [InlineData("get=2\n\n")]
    [InlineData("set\n\n")]
    [InlineData("listen_port=1\n\n")]
    public async Task What_is_neither_get_nor_set_is_told_so_and_hung_up_on(string request)
    {
        using var client = Connect();
        Assert.Equal("errno=-71\n\n", await client.AskAsync(request));
        Assert.True(await client.HasHungUpAsync());
    }

    [Fact]
    public async Task A_get_takes_no_lines()
    {
        using var client = Connect();
        Assert.Equal("errno=-22\n\n", await client.AskAsync("get=1\nlisten_port=1\nfwmark=1\n\n"));
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
    }

    [Fact]
    public async Task Many_clients_are_served_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
        {
            using var client = Connect();
            for (var round = 0; round < 10; round++)
            {
                Assert.Equal("errno=0\n\n", await client.AskAsync($"set=1\nlisten_port={1000 + i}\n\n"));
                Assert.EndsWith("errno=0\n\n", await client.AskAsync("get=1\n\n"), StringComparison.Ordinal);
            }
        }));
        Assert.Equal(640, _device.Updates.Count);
    }

    [Fact]
    public async Task A_hundred_and_thirty_thousand_allowed_IPs_go_in_and_come_out()
    {
        using var client = Connect();
        var lines = Enumerable.Range(0, 130_000).Select(i => $"allowed_ip=10.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32");
        Assert.Equal("errno=0\n\n", await client.AskAsync($"set=1\npublic_key={Key}\n{string.Join('\n', lines)}\n\n"));
        Assert.Equal(130_000, _device.Snapshot().Peers.Single().AllowedIps.Length);

        await client.SendAsync("get=1\n\n");
        using var other = Connect(); // while nobody reads that
        Assert.Equal("errno=0\n\n", await other.AskAsync($"set=1\npublic_key={Key}\nremove=true\n\n"));
    }

    [Fact]
    public void Only_root_can_connect()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_server.SocketPath));
        Assert.Equal([_server.SocketPath], Directory.GetFileSystemEntries(_directory));
    }

    [Fact]
    public async Task The_directory_is_made_for_root_alone()
    {
        var directory = System.IO.Path.Combine(_directory, "new");
        await using var server = UapiServer.Start("wg0", _device.Apply, _device.Snapshot, directory: directory);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(directory));
    }

    [Fact]
    public async Task A_live_socket_is_left_to_its_process()
    {
        var error = Assert.Throws<IOException>(() => Start());
        Assert.Contains("Another process serves", error.Message, StringComparison.Ordinal);
        Assert.Contains(_server.SocketPath, error.Message, StringComparison.Ordinal);
        using var client = Connect();
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
        Assert.False(_server.SocketRemoved.IsCompleted);
    }

    [Fact]
    public async Task A_live_socket_whose_process_does_not_answer_is_left_to_it_too()
    {
        var path = System.IO.Path.Combine(_directory, "wg1.sock");
        using var stuck = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        stuck.Bind(new UnixDomainSocketEndPoint(path));
        stuck.Listen(0);
        using var first = new UapiClient(path); // fills the backlog
        var start = Task.Run(() => UapiServer.Start("wg1", _device.Apply, _device.Snapshot, directory: _directory));
        await Assert.ThrowsAsync<IOException>(() => start.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_dead_socket_is_replaced()
    {
        var path = System.IO.Path.Combine(_directory, "wg1.sock");
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(path + ".bound"));
            dead.Listen(1);
            File.Move(path + ".bound", path); // so that disposing of it leaves the file
        }

        await using var server = UapiServer.Start("wg1", _device.Apply, _device.Snapshot, directory: _directory);
        using var client = new UapiClient(path);
        Assert.Equal("errno=0\n\n", await client.AskAsync("get=1\n\n"));
        Assert.False(server.SocketRemoved.IsCompleted);
    }

    [Fact]
    public void What_cannot_be_replaced_is_named()
    {
        var path = System.IO.Path.Combine(_directory, "wg1.sock");
        Directory.CreateDirectory(path);
        Assert.Throws<IOException>(() => UapiServer.Start("wg1", _device.Apply, _device.Snapshot, directory: _directory));
        Assert.Equal([_server.SocketPath, path], Directory.GetFileSystemEntries(_directory).Order()); // and nothing is left lying about
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("wgé")]
    [InlineData("sixteen-chars-ok")]
    public void A_name_that_no_interface_can_have_is_refused(string name) =>
        Assert.Throws<ArgumentException>("name", () => UapiServer.Start(name, _device.Apply, _device.Snapshot, directory: _directory));

    [Fact]
    public async Task Deleting_the_socket_is_noticed()
    {
        Assert.False(_server.SocketRemoved.IsCompleted);
        File.Delete(_server.SocketPath);
        await _server.SocketRemoved.WaitAsync(Patience);
    }

    [Fact]
    public async Task Moving_the_socket_away_is_noticed()
    {
        File.Move(_server.SocketPath, _server.SocketPath + ".old");
        await _server.SocketRemoved.WaitAsync(Patience);
    }

    [Fact]
    public async Task Replacing_the_socket_is_noticed_and_the_successor_keeps_it()
    {
        var successor = System.IO.Path.Combine(_directory, "successor");
        await File.WriteAllTextAsync(successor, "");
        File.Move(successor, _server.SocketPath, overwrite: true);
        await _server.SocketRemoved.WaitAsync(Patience);
        await _server.DisposeAsync();
        Assert.True(File.Exists(_server.SocketPath));
    }

    [Fact]
    public async Task Without_inotify_a_deletion_is_noticed_too()
    {
        using var watch = new UapiSocketWatch(_server.SocketPath, useInotify: false);
        Assert.False(watch.Removed.IsCompleted);
        File.Delete(_server.SocketPath);
        await watch.Removed.WaitAsync(Patience);
    }

    [Fact]
    public async Task Other_files_in_the_directory_do_not_matter()
    {
        var other = System.IO.Path.Combine(_directory, "wg00.sock");
        await File.WriteAllTextAsync(other, "");
        File.Delete(other);
        File.Delete(_server.SocketPath + ".gone");
        await using (UapiServer.Start("wg1", _device.Apply, _device.Snapshot, directory: _directory))
        {
        }

        // the watch is in order: events come in order, and this one is the first it tells of
        Assert.False(_server.SocketRemoved.IsCompleted);
        File.Delete(_server.SocketPath);
        await _server.SocketRemoved.WaitAsync(Patience);
    }

    [Fact]
    public async Task Disposal_removes_the_socket_and_hangs_up_on_everyone_even_who_does_not_read()
    {
        var lines = Enumerable.Range(0, 30_000).Select(i => $"allowed_ip=10.0.{i >> 8}.{i & 255}/32");
        using var idle = Connect();
        using var deaf = Connect();
        Assert.Equal("errno=0\n\n", await deaf.AskAsync($"set=1\npublic_key={Key}\n{string.Join('\n', lines)}\n\n"));
        await deaf.SendAsync("get=1\n\nget=1\n\nget=1\n\n"); // more than a socket buffer holds

        await _server.DisposeAsync().AsTask().WaitAsync(Patience);
        await _server.DisposeAsync();
        Assert.False(File.Exists(_server.SocketPath));
        Assert.False(_server.SocketRemoved.IsCompleted);
        Assert.True(await idle.HasHungUpAsync());
        Assert.Throws<SocketException>(() => Connect());
        await Start().DisposeAsync(); // the name is free again
    }

    private UapiServer Start() => UapiServer.Start("wg0", _device.Apply, _device.Snapshot, _reports.Enqueue, _directory);

    private UapiClient Connect() => new(_server.SocketPath);
}
