using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary><c>wg-quick</c> with <c>wgmesh-agent</c> as its userspace implementation, and wireguard-go as the other end of the tunnel.</summary>
[Trait("needs", "system")]
public sealed class WgQuickTests : IDisposable
{
    private static int _count;

    // wg-quick takes the kernel's WireGuard wherever there is one; here it is to find none
    private const string WithoutKernel = "mount -t tmpfs none /sys/module && PATH=\"$0:$PATH\" exec wg-quick \"$@\"";

    private const string RefusingIp = """
        #!/bin/sh
        case "$*" in *"type wireguard"*) exit 2 ;; esac
        PATH=${PATH#*:} exec ip "$@"
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("wgq").FullName;
    private readonly string _name = $"wgq{Environment.ProcessId % 100000}n{Interlocked.Increment(ref _count)}";
    private readonly Wire _wire = new();
    private readonly NetNamespace _ns = new();
    private readonly WireGuardHost _theirs;
    private readonly string _privateKey;
    private readonly string _publicKey;
    private readonly string _presharedKey = NetNamespace.Command("wg", "genpsk").Trim();

    public WgQuickTests()
    {
        var lan = new Lan(_wire);
        _theirs = NamespaceHost.StartWireGuardGo(lan, 2);
        _wire.Plug(_ns, "eth0");
        _ns.Ip($"addr add {lan.Prefix(1, false)} dev eth0");
        _privateKey = NetNamespace.Command("wg", "genkey").Trim();
        _publicKey = NetNamespace.Command("sh", "-c", $"echo {_privateKey} | wg pubkey").Trim();
        _theirs.Exec("wg", "set", _theirs.Interface, "peer", _publicKey, "allowed-ips", "10.0.0.1/32,fd00::1/128");
        _theirs.Sh($"echo {_presharedKey} | wg set {_theirs.Interface} peer {_publicKey} preshared-key /dev/stdin");

        var path = Directory.CreateDirectory(Path.Combine(_folder, "bin")).FullName;
        File.WriteAllText(Path.Combine(path, "ip"), RefusingIp);
        File.SetUnixFileMode(Path.Combine(path, "ip"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private string Configuration => Path.Combine(_folder, $"{_name}.conf");

    private string Socket => $"/var/run/wireguard/{_name}.sock";

    public void Dispose()
    {
        // its end is the process's: it deletes its socket, and an interface without one is deleted with its namespace
        File.Delete(Socket);
        Wait.Until(() => Processes().Length == 0, "wgmesh-agent to end");
        _ns.Dispose();
        _theirs.Dispose();
        _wire.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Up_makes_what_the_configuration_says_and_down_leaves_nothing()
    {
        Write("10.0.0.2/32, fd00::2/128", $"""
            MTU = 1400
            PostUp = ip route add 10.99.0.0/16 dev %i
            PostUp = echo up %i >{_folder}/hooks
            PreDown = echo down %i >>{_folder}/hooks
            """);
        WgQuick("up");

        Assert.Single(Processes());
        Assert.Contains("mtu 1400", _ns.Ip($"link show {_name}"), StringComparison.Ordinal);
        Assert.Contains("10.0.0.1/24", _ns.Ip($"addr show {_name}"), StringComparison.Ordinal);
        Assert.Contains("fd00::1/64", _ns.Ip($"addr show {_name}"), StringComparison.Ordinal);
        Assert.Contains($"dev {_name}", _ns.Ip("route get 10.99.1.1"), StringComparison.Ordinal);
        Ping("10.0.0.2");
        Ping("fd00::2");
        _theirs.Exec("ping", "-n", "-c", "1", "-W", "60", "10.0.0.1");

        var dump = Wg("show", _name, "dump").TrimEnd().Split('\n');
        Assert.Equal([_privateKey, _publicKey, "41820", "off"], dump[0].Split('\t'));
        // peer, preshared key, endpoint, allowed IPs, handshake, received, sent, keepalive
        var peer = dump[1].Split('\t');
        Assert.Equal([_theirs.PublicKey, _presharedKey, _theirs.Endpoint(false), "10.0.0.2/32,fd00::2/128"], peer[..4]);
        Assert.InRange(DateTimeOffset.FromUnixTimeSeconds(Number(peer[4])), DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.True(Number(peer[5]) > 0 && Number(peer[6]) > 0);
        Assert.Equal("25", peer[7]);

        WgQuick("down");
        Assert.Equal($"up {_name}\ndown {_name}\n", File.ReadAllText($"{_folder}/hooks"));
        Wait.Until(() => Processes().Length == 0, "wgmesh-agent to end");
        Assert.DoesNotContain(_name, _ns.Ip("link"), StringComparison.Ordinal);
        Assert.DoesNotContain("10.99.0.0", _ns.Ip("route"), StringComparison.Ordinal);
        Assert.DoesNotContain(":41820", _ns.Exec("ss", "-lun"), StringComparison.Ordinal);
        Assert.False(File.Exists(Socket));
    }

    /// <summary>wg-quick then routes by the mark of the socket, so that the tunnel's own packets do not go into the tunnel.</summary>
    [Fact]
    public void All_traffic_can_go_into_the_tunnel()
    {
        Write("0.0.0.0/0, ::/0", "");
        WgQuick("up");

        Assert.Contains($"dev {_name}", _ns.Ip("route get 8.8.8.8"), StringComparison.Ordinal);
        var mark = Wg("show", _name, "fwmark").Trim();
        Assert.Contains("dev eth0", _ns.Ip($"route get {_theirs.Underlay(false)} mark {mark}"), StringComparison.Ordinal);
        _theirs.Ip("addr add 8.8.8.8/32 dev lo");
        Ping("8.8.8.8");
        Ping("fd00::2");

        WgQuick("down");
        Assert.DoesNotContain("fwmark", _ns.Ip("rule"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stripped_configuration_is_synchronised_without_a_new_handshake()
    {
        Write("10.0.0.2/32, fd00::2/128", "PostUp = true");
        WgQuick("up");
        Ping("10.0.0.2");
        var handshake = Wg("show", _name, "latest-handshakes");
        var other = NetNamespace.Command("sh", "-c", "wg genkey | wg pubkey").Trim();
        var addition = Path.Combine(_folder, "addition");
        File.WriteAllText(addition, $"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.50.0.0/16\n");
        Wg("addconf", _name, addition);
        Assert.Contains(other, Wg("show", _name, "peers"), StringComparison.Ordinal);

        var stripped = Path.Combine(_folder, "stripped");
        File.WriteAllText(stripped, WgQuick("strip"));
        Assert.DoesNotContain("PostUp", File.ReadAllText(stripped), StringComparison.Ordinal);
        Wg("syncconf", _name, stripped);
        Assert.Equal(_theirs.PublicKey, Wg("show", _name, "peers").Trim());
        Assert.Equal(handshake, Wg("show", _name, "latest-handshakes"));
        Ping("10.0.0.2");
        Assert.Equal(handshake, Wg("show", _name, "latest-handshakes"));

        Wg("setconf", _name, addition);
        Assert.Equal(other, Wg("show", _name, "peers").Trim());
        Wg("setconf", _name, stripped);
        Ping("10.0.0.2");
    }

    [Fact]
    public void What_was_changed_by_hand_is_saved_and_comes_back()
    {
        Write("10.0.0.2/32", "");
        WgQuick("up");
        Wg("set", _name, "peer", _theirs.PublicKey, "allowed-ips", "10.0.0.2/32,fd00::2/128", "persistent-keepalive", "11");
        WgQuick("save");

        WgQuick("down");
        Wait.Until(() => Processes().Length == 0, "wgmesh-agent to end");
        WgQuick("up");
        Assert.Equal($"{_theirs.PublicKey}\t11", Wg("show", _name, "persistent-keepalive").Trim());
        Assert.Equal(_presharedKey, Wg("show", _name, "preshared-keys").Trim().Split('\t')[1]);
        Ping("fd00::2");
        WgQuick("down");
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private void Write(string allowedIps, string more)
    {
        File.WriteAllText(Configuration, $"""
            [Interface]
            PrivateKey = {_privateKey}
            Address = 10.0.0.1/24, fd00::1/64
            ListenPort = 41820
            {more}

            [Peer]
            PublicKey = {_theirs.PublicKey}
            PresharedKey = {_presharedKey}
            AllowedIPs = {allowedIps}
            Endpoint = {_theirs.Endpoint(false)}
            PersistentKeepalive = 25

            """);
        File.SetUnixFileMode(Configuration, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string WgQuick(string command) => _ns.Exec(
        "env", $"WG_QUICK_USERSPACE_IMPLEMENTATION={NamespaceHost.Agent}", "sh", "-c", WithoutKernel, Path.Combine(_folder, "bin"), command, Configuration);

    private string Wg(params string[] arguments) => _ns.Exec("wg", arguments);

    private void Ping(string address) => _ns.Exec("ping", "-n", "-c", "1", "-W", "60", address);

    /// <summary>Of our program for this interface, by the command line: nobody here is their parent.</summary>
    private string[] Processes() => [.. NetNamespace.Command("ip", "netns", "pids", _ns.Name).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(pid =>
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").StartsWith(NamespaceHost.Agent, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    })];
}
