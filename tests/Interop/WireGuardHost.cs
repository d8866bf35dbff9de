using System.Diagnostics;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>A network namespace in which a WireGuard program has an interface, configured by <c>wg</c> alone.</summary>
internal sealed class WireGuardHost : IDisposable
{
    private static int _count;

    private readonly NetNamespace _namespace = new();
    private Process? _program;

    public WireGuardHost(int number)
    {
        Number = number;
        // the sockets of all interfaces of all namespaces are in one folder
        Interface = $"wgi{Environment.ProcessId % 100000}n{Interlocked.Increment(ref _count)}";
        PrivateKey = NetNamespace.Command("wg", "genkey").Trim();
        PublicKey = Pipe("wg", PrivateKey, "pubkey");
    }

    /// <summary>1 or 2: the last part of every address.</summary>
    public int Number { get; }

    public string Interface { get; }

    public string PrivateKey { get; }

    public string PublicKey { get; }

    public NetNamespace Namespace => _namespace;

    public string Underlay(bool ipv6) => ipv6 ? $"2001:db8::{Number}" : $"192.0.2.{Number}";

    public string Overlay(bool ipv6) => ipv6 ? $"fd00::{Number}" : $"10.0.0.{Number}";

    public int Port { get; private set; }

    /// <summary>Joins two hosts by a wire with addresses of both families.</summary>
    public static void Join(WireGuardHost left, WireGuardHost right)
    {
        NetNamespace.Connect(left._namespace, right._namespace);
        foreach (var host in new[] { left, right })
        {
            host._namespace.Ip($"addr add {host.Underlay(false)}/24 dev eth0");
            host._namespace.Ip($"addr add {host.Underlay(true)}/64 dev eth0 nodad");
        }
    }

    /// <summary>wireguard-go, the newest that Debian has.</summary>
    public void StartWireGuardGo()
    {
        var program = Environment.GetEnvironmentVariable("WGMESH_WIREGUARD_GO")
            ?? throw new InvalidOperationException("set WGMESH_WIREGUARD_GO to the wireguard-go program; ./test.sh fetches it with e2e/wireguard-go.sh");
        Start(program, "-f", Interface);
    }

    /// <summary>Ours.</summary>
    public void StartWgMesh() => Start(Path.Combine(AppContext.BaseDirectory, "wgmesh-agent"), "device", "--foreground", Interface);

    private void Start(string program, params string[] arguments)
    {
        _program = _namespace.Start(program, arguments);
        var output = _program.StandardOutput.ReadToEndAsync();
        var error = _program.StandardError.ReadToEndAsync();
        var ready = SpinWait.SpinUntil(() => _program.HasExited || IsUp(), TimeSpan.FromSeconds(60));
        Assert.False(_program.HasExited, _program.HasExited ? $"{program} ended: {output.Result}{error.Result}" : "");
        Assert.True(ready, $"{program} made no interface {Interface}");
        Wg("set", Interface, "private-key", "/dev/stdin", PrivateKey);
        _namespace.Ip($"addr add {Overlay(false)}/24 dev {Interface}");
        _namespace.Ip($"addr add {Overlay(true)}/64 dev {Interface} nodad");
        _namespace.Ip($"link set {Interface} mtu 1420 up");
        Port = int.Parse(Wg("show", Interface, "listen-port"), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Adds the other host as a peer; only one that knows the endpoint can make the first step.</summary>
    public void AddPeer(WireGuardHost peer, bool knowsEndpoint, bool ipv6, params string[] more)
    {
        string[] endpoint = knowsEndpoint ? ["endpoint", ipv6 ? $"[{peer.Underlay(true)}]:{peer.Port}" : $"{peer.Underlay(false)}:{peer.Port}"] : [];
        _namespace.Exec("wg", ["set", Interface, "peer", peer.PublicKey, "allowed-ips", $"{peer.Overlay(false)}/32,{peer.Overlay(true)}/128", .. endpoint, .. more]);
    }

    public void Ping(WireGuardHost other, bool ipv6) =>
        _namespace.Exec("ping", "-n", "-c", "3", "-i", "0.2", "-W", "60", other.Overlay(ipv6));

    /// <summary>Seconds since 1970 of the last handshake, as <c>wg</c> tells it.</summary>
    public long LatestHandshake() =>
        long.Parse(Wg("show", Interface, "latest-handshakes").Split('\t')[1], System.Globalization.CultureInfo.InvariantCulture);

    public string Wg(string command, string @interface, string what) => _namespace.Exec("wg", command, @interface, what).Trim();

    private void Wg(string command, string @interface, string what, string file, string input)
    {
        var start = new ProcessStartInfo("nsenter", [$"--net={_namespace.Path}", "wg", command, @interface, what, file])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.WriteLine(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error);
    }

    public void Dispose()
    {
        if (_program is { } program)
        {
            program.Kill();
            program.WaitForExit();
            program.Dispose();
        }

        _namespace.Dispose();
    }

    // Not by asking `wg`, which deletes a socket that refuses it, as one does that is bound and not yet listened on.
    private bool IsUp()
    {
        const string Listening = " 00010000 "; // __SO_ACCEPTCON
        var up = File.Exists($"/var/run/wireguard/{Interface}.sock") && _namespace.Exec("cat", "/proc/net/unix").Split('\n')
            .Any(socket => socket.Contains($"/{Interface}.sock", StringComparison.Ordinal) && socket.Contains(Listening, StringComparison.Ordinal));
        if (!up)
        {
            Thread.Sleep(50);
        }

        return up;
    }

    private static string Pipe(string program, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        process.StandardInput.WriteLine(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output.Trim();
    }
}
