using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace WgMesh.Interop.Tests;

/// <summary>
/// A virtual machine whose Linux kernel has WireGuard, on a <see cref="Wire"/>: what e2e/kernel-peer.sh made, in qemu. Hosts are network
/// namespaces in there. Most tests share one, as starting it takes seconds of a processor.
/// </summary>
internal sealed class KernelGuest : IDisposable
{
    /// <summary>The longest frame payload that a tap carries.</summary>
    public const int LargestMtu = 65521;

    private const string Tap = "tap0";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly Lock Gate = new();
    private static KernelGuest? _shared;
    private static int _users;

    private readonly string _folder = Directory.CreateTempSubdirectory("wgk").FullName;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<(int Code, string Output)>> _running = new();
    private readonly TaskCompletionSource<(int Code, string Output)> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Socket _port = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Lock _sending = new();
    private Process? _qemu;
    private int _count;

    public KernelGuest()
    {
        _running["ready"] = _ready;
        try
        {
            Start();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Wire Wire { get; } = new();

    /// <summary>The one that others use at this time, or a new one. Give it back.</summary>
    public static KernelGuest Rent()
    {
        lock (Gate)
        {
            _shared ??= new KernelGuest();
            _users++;
            return _shared;
        }
    }

    /// <summary>The last one who gives it back ends it.</summary>
    public static void Return()
    {
        lock (Gate)
        {
            if (--_users == 0)
            {
                _shared!.Dispose();
                _shared = null;
            }
        }
    }

    /// <summary>Runs a shell script in the guest to its end; any number may run at once. Its output; a failure is an exception.</summary>
    public string Sh(string script)
    {
        var id = Interlocked.Increment(ref _count).ToString(CultureInfo.InvariantCulture);
        var answer = new TaskCompletionSource<(int Code, string Output)>(TaskCreationOptions.RunContinuationsAsynchronously);
        _running[id] = answer;
        var line = Encoding.ASCII.GetBytes($"{id} {Convert.ToBase64String(Encoding.UTF8.GetBytes(script))}\n");
        lock (_sending)
        {
            for (var sent = 0; sent < line.Length;)
            {
                sent += _port.Send(line.AsSpan(sent));
            }
        }

        var (code, output) = Answer(answer.Task, script);
        return code == 0 ? output : throw new InvalidOperationException($"in the guest, {script} exited with {code}: {output}");
    }

    public void Dispose()
    {
        if (_qemu is { } qemu)
        {
            qemu.StandardInput.Close(); // has it killed
            qemu.WaitForExit();
            qemu.Dispose();
        }

        _port.Dispose();
        Wire.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Start()
    {
        var image = Environment.GetEnvironmentVariable("WGMESH_KERNEL_PEER")
            ?? throw new InvalidOperationException("set WGMESH_KERNEL_PEER to the folder that e2e/kernel-peer.sh prints, or run ./test.sh");
        Wire.Namespace.Ip($"tuntap add {Tap} mode tap");
        Wire.Namespace.Ip($"link set {Tap} mtu {LargestMtu}");
        Wire.Plug(Tap);

        var socket = Path.Combine(_folder, "port");
        string[] machine =
        [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", $"{image}/vmlinuz", "-initrd", $"{image}/initrd", "-append", "console=ttyS0 panic=-1",
            "-serial", $"file:{Path.Combine(_folder, "console")}",
            "-device", "virtio-serial-pci", "-chardev", $"socket,id=port,path={socket},server=on,wait=off", "-device", "virtserialport,chardev=port",
            "-netdev", $"tap,id=net,ifname={Tap},script=no,downscript=no", "-device", $"virtio-net-pci,netdev=net,romfile=,host_mtu={LargestMtu}",
        ];
        // It ends when standard input does, which is when this process ends, whatever it ends of; and in any case after a while.
        _qemu = Wire.Namespace.Start("bash", ["-c", "\"$@\" </dev/null & exec >&- 2>&-; read -r -t 3600; kill -KILL $!; wait", "bash", .. machine]);
        var output = _qemu.StandardOutput.ReadToEndAsync();
        var error = _qemu.StandardError.ReadToEndAsync();
        Wait.Until(() => error.IsCompleted || File.Exists(socket), "qemu to start");
        Assert.False(error.IsCompleted, error.IsCompleted ? $"qemu ended: {output.Result}{error.Result}" : "");
        Wait.Until(() => TryConnect(socket), "qemu to listen");
        _ = Task.Factory.StartNew(Listen, TaskCreationOptions.LongRunning);
        Answer(_ready.Task, "boot");
    }

    private bool TryConnect(string socket)
    {
        try
        {
            _port.Connect(new UnixDomainSocketEndPoint(socket));
            return true;
        }
        catch (SocketException)
        {
            return false; // it is bound before it listens
        }
    }

    private (int Code, string Output) Answer(Task<(int Code, string Output)> answer, string what) => answer.Wait(Patience)
        ? answer.Result
        : throw new TimeoutException($"in the guest, {what} did not end; its console: {File.ReadAllText(Path.Combine(_folder, "console"))}");

    private void Listen()
    {
        try
        {
            using var lines = new StreamReader(new NetworkStream(_port));
            while (lines.ReadLine() is { } line)
            {
                // ID CODE OUTPUT
                if (line.Split(' ') is [var id, var code, var output] && _running.TryRemove(id, out var answer))
                {
                    answer.SetResult((int.Parse(code, CultureInfo.InvariantCulture), Encoding.UTF8.GetString(Convert.FromBase64String(output))));
                }
            }
        }
        catch (IOException)
        {
            // it was ended
        }

        foreach (var answer in _running.Values)
        {
            answer.TrySetException(new IOException("the guest ended"));
        }
    }
}
