using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Commands;

/// <summary><c>wgmesh-agent device</c> in place of <c>wireguard-go</c>.</summary>
[Trait("needs", "system")]
public sealed class DeviceCommandSystemTests : IDisposable
{
    private static int _count;

    private readonly NetNamespace _ns = new();
    // sockets for `wg` are files, so their names are shared by all namespaces
    private readonly string _name = $"wgd{Environment.ProcessId}x{Interlocked.Increment(ref _count)}";

    private string Socket => $"/var/run/wireguard/{_name}.sock";

    public void Dispose()
    {
        foreach (var pid in BackgroundProcesses())
        {
            // its end is the interface's: it takes its socket along
            NetNamespace.Command("kill", "-TERM", pid);
            if (!SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{pid}"), TimeSpan.FromSeconds(60)))
            {
                NetNamespace.Command("kill", "-KILL", pid);
            }
        }

        _ns.Dispose();
    }

    [Fact]
    public void It_returns_when_interface_and_socket_are_there_and_goes_on_in_the_background()
    {
        // Exec reads standard output to its end: a child that kept it open would hang the caller here
        _ns.Exec(RunningProgram.Path, "device", _name);

        Assert.Contains("mtu 1420", _ns.Ip($"link show {_name}"), StringComparison.Ordinal);
        Assert.Contains("listening port", _ns.Exec("wg", "show", _name), StringComparison.Ordinal);
        var pid = Assert.Single(BackgroundProcesses());
        Assert.Equal(pid, NetNamespace.Command("ps", "-o", "sid=", "-p", pid).Trim());
        Assert.Equal("/", File.ResolveLinkTarget($"/proc/{pid}/cwd", false)!.FullName);
    }

    [Fact]
    public void Offloads_to_leave_alone_may_be_named_before_the_interface()
    {
        var error = Assert.Throws<InvalidOperationException>(() => _ns.Exec(RunningProgram.Path, "device", "--disable-offload", "tun-tso,tun-gro", _name));
        Assert.Contains("'tun-gro' is not an offload", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("NAME", error.Message.Split("Description:")[0], StringComparison.Ordinal); // it was not taken for another offload
    }

    [Fact]
    public void What_computes_its_cipher_may_be_chosen_and_what_cannot_be_had_is_refused_with_what_can()
    {
        var error = Assert.Throws<InvalidOperationException>(() => _ns.Exec("env", "WGMESH_AEAD=quantum", RunningProgram.Path, "device", _name));
        Assert.Contains("wgmesh-agent: WGMESH_AEAD=quantum cannot be used: there is no such implementation. Possible on this machine: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("libcrypto, portable.", error.Message, StringComparison.Ordinal);

        _ns.Exec("env", "WGMESH_AEAD=libcrypto", RunningProgram.Path, "device", _name);
        Assert.Contains("listening port", _ns.Exec("wg", "show", _name), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(6, 3)]
    public async Task Its_lanes_follow_the_processors_that_it_may_use(int processors, int lanes)
    {
        // what a cgroup's quota does to the same count, on a machine that has so many
        using var process = _ns.Start("env", $"DOTNET_PROCESSOR_COUNT={processors}", RunningProgram.Path, "device", "-f", _name);
        using var program = new RunningProgram(process);
        await Wait.Until(() => File.Exists(Socket));
        var thread = $"{_name}/tun";
        thread = thread[..Math.Min(thread.Length, 15)]; // as much as the kernel keeps
        Assert.Equal(lanes, Directory.GetDirectories($"/proc/{process.Id}/task").Select(task => File.ReadAllText($"{task}/comm").Trim()).Count(name => name == thread));
        Assert.Equal(0, await program.TerminateAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task In_the_foreground_it_stays_until_SIGTERM(bool byVariable)
    {
        using var program = byVariable
            ? new RunningProgram(_ns.Start("env", "WG_PROCESS_FOREGROUND=1", RunningProgram.Path, "device", _name))
            : new RunningProgram(_ns, "device", "-f", _name);
        await Wait.Until(() => File.Exists(Socket));
        Assert.False(program.HasExited);

        Assert.Equal(0, await program.TerminateAsync());
        Assert.False(File.Exists(Socket));
        Assert.DoesNotContain(_name, _ns.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Told_to_end_while_it_still_computes_in_the_background_it_ends_well()
    {
        // its rehearsal lasts about as long as its end: where that took the cryptography away under it, one in five was a SIGSEGV
        for (var i = 0; i < 16; i++)
        {
            using var program = new RunningProgram(_ns, "device", "-f", _name);
            await Wait.Until(() => File.Exists(Socket));
            Assert.Equal(0, await program.TerminateAsync());
        }
    }

    [Fact]
    public async Task Deleting_the_socket_ends_it()
    {
        using var program = new RunningProgram(_ns, "device", "-f", _name);
        await Wait.Until(() => File.Exists(Socket));

        File.Delete(Socket);

        Assert.Equal(0, await program.ExitAsync());
        Assert.DoesNotContain(_name, _ns.Ip("link"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deleting_the_interface_ends_it()
    {
        using var program = new RunningProgram(_ns, "device", "-f", _name);
        await Wait.Until(() => File.Exists(Socket));

        _ns.Ip($"link del {_name}");

        Assert.Equal(0, await program.ExitAsync());
        Assert.False(File.Exists(Socket));
    }

    [Theory]
    [InlineData("-f")]
    [InlineData(null)]
    public void A_name_that_is_taken_is_an_error(string? foreground)
    {
        _ns.Exec(RunningProgram.Path, "device", _name);

        string[] arguments = foreground is null ? ["device", _name] : ["device", _name, foreground];
        var error = Assert.Throws<InvalidOperationException>(() => _ns.Exec(RunningProgram.Path, arguments));

        Assert.Contains("exited with 1", error.Message, StringComparison.Ordinal);
        Assert.Contains($"wgmesh-agent: The interface {_name} cannot be made", error.Message, StringComparison.Ordinal);
        Assert.Contains("taken", error.Message, StringComparison.Ordinal);
        Assert.Single(BackgroundProcesses());
        Assert.Contains("listening port", _ns.Exec("wg", "show", _name), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_privilege_it_says_what_it_takes()
    {
        var error = Assert.Throws<InvalidOperationException>(() =>
            _ns.Exec("setpriv", "--bounding-set=-net_admin", RunningProgram.Path, "device", _name));

        Assert.Contains("exited with 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("CAP_NET_ADMIN", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a-name-of-16-chr")]
    [InlineData("a/b")]
    public void A_name_that_no_interface_can_have_is_an_error(string name)
    {
        var error = Assert.Throws<InvalidOperationException>(() => _ns.Exec(RunningProgram.Path, "device", name));

        Assert.Contains("is not a name for an interface", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_argument_alone_is_no_interface_unless_wg_quick_calls()
    {
        Assert.Throws<InvalidOperationException>(() => _ns.Exec(RunningProgram.Path, _name));
        Assert.Empty(BackgroundProcesses());
    }

    private string[] BackgroundProcesses()
    {
        // by the command line, exactly: the process is in a session of its own, and nobody here is its parent
        return [.. Directory.GetDirectories("/proc").Select(Path.GetFileName).OfType<string>()
            .Where(pid => int.TryParse(pid, CultureInfo.InvariantCulture, out _) && CommandLine(pid).SequenceEqual([RunningProgram.Path, "device", _name, "--foreground"]))];

        static string[] CommandLine(string pid)
        {
            try
            {
                return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0', StringSplitOptions.RemoveEmptyEntries);
            }
            catch (IOException)
            {
                return [];
            }
        }
    }
}
