using System.Globalization;

namespace WgMesh.Interop.Tests;

/// <summary>A host on a <see cref="Lan"/> with a WireGuard interface that is configured by <c>wg</c> alone.</summary>
internal abstract class WireGuardHost : IDisposable
{
    /// <summary>The host's interface on its network.</summary>
    protected const string Ethernet = "eth0";

    private static int _count;

    protected WireGuardHost(Lan lan, int number)
    {
        Lan = lan;
        Number = number;
        // the sockets of all interfaces of all namespaces are in one folder
        Interface = $"wgi{Environment.ProcessId}n{Interlocked.Increment(ref _count)}";
    }

    public Lan Lan { get; }

    /// <summary>The last part of every address.</summary>
    public int Number { get; }

    public string Interface { get; }

    public string PublicKey { get; private set; } = "";

    public int Port => int.Parse(Exec("wg", "show", Interface, "listen-port"), CultureInfo.InvariantCulture);

    public string Underlay(bool ipv6) => Lan.Address(Number, ipv6);

    public string Overlay(bool ipv6) => ipv6 ? $"fd00::{Number}" : $"10.0.0.{Number}";

    public string Endpoint(bool ipv6) => ipv6 ? $"[{Underlay(true)}]:{Port}" : $"{Underlay(false)}:{Port}";

    /// <summary>Runs a program there to its end. Its output; a failure is an exception with what it said.</summary>
    public abstract string Exec(string program, params string[] arguments);

    public abstract void Dispose();

    public string Sh(string script) => Exec("sh", "-c", script);

    /// <summary><c>ip</c> there; the arguments are split at spaces.</summary>
    public string Ip(string arguments) => Exec("ip", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    public void SetMtu(int ethernet, int tunnel)
    {
        Ip($"link set {Ethernet} mtu {ethernet}");
        Ip($"link set {Interface} mtu {tunnel}");
    }

    /// <summary>Leaves its address on the network for another.</summary>
    public void MoveTo(int number, bool ipv6)
    {
        Ip($"addr del {Lan.Prefix(Number, ipv6)} dev {Ethernet}");
        Ip($"addr add {Lan.Prefix(number, ipv6)} dev {Ethernet}{(ipv6 ? " nodad" : "")}");
    }

    /// <summary>Makes it a router for both families.</summary>
    public void Forward() => Sh(
        "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
        // packets leave by the interface they came in by, which is no reason to tell anybody of a shorter way
        + "for f in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 >$f; done");

    /// <summary>Adds the other host as a peer; only one that knows the endpoint can make the first step.</summary>
    public void AddPeer(WireGuardHost peer, bool knowsEndpoint, bool ipv6 = false) =>
        SetPeer(peer, [
            "allowed-ips", $"{peer.Overlay(false)}/32,{peer.Overlay(true)}/128",
            .. knowsEndpoint ? (string[])["endpoint", peer.Endpoint(ipv6)] : []]);

    public void SetPeer(WireGuardHost peer, params string[] settings) => Exec("wg", ["set", Interface, "peer", peer.PublicKey, .. settings]);

    public void SetPresharedKey(WireGuardHost peer, string key) =>
        Sh($"echo {key} | wg set {Interface} peer {peer.PublicKey} preshared-key /dev/stdin");

    public void RemovePeer(WireGuardHost peer) => SetPeer(peer, "remove");

    /// <summary>Three pings, of which none may be lost.</summary>
    public void Ping(WireGuardHost other, bool ipv6 = false, params string[] more)
    {
        var output = Exec("ping", ["-n", "-c", "3", "-i", "0.2", "-W", "60", .. more, other.Overlay(ipv6)]);
        Assert.True(output.Contains(" 0% packet loss", StringComparison.Ordinal), output);
    }

    /// <summary>One ping; whether it was answered within this many seconds.</summary>
    public bool TryPing(WireGuardHost other, int seconds, bool ipv6 = false)
    {
        try
        {
            Exec("ping", "-n", "-c", "1", "-W", seconds.ToString(CultureInfo.InvariantCulture), other.Overlay(ipv6));
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Seconds since 1970 of the last handshake with the only peer, as <c>wg</c> tells it; 0 if there was none.</summary>
    public long LatestHandshake() => long.Parse(Show("latest-handshakes")[0], CultureInfo.InvariantCulture);

    /// <summary>Bytes received from the only peer.</summary>
    public long Received() => long.Parse(Show("transfer")[0], CultureInfo.InvariantCulture);

    /// <summary>Where the only peer is, as this host sees it.</summary>
    public string PeerEndpoint() => Show("endpoints")[0];

    /// <summary>
    /// Sends bytes over TCP, made up there, and compares what SHA-256 both ends see. With busybox, which is the same on every kind of host.
    /// </summary>
    public async Task TransferAsync(WireGuardHost to, int bytes, bool ipv6)
    {
        const int port = 5001;
        // its standard input and output are the connection, so the sum comes back to the sender
        var receiving = Task.Run(() => to.Sh($"timeout 100 busybox nc -l -p {port} -e sha256sum"));
        var sums = await Task.Run(() => Sh(
            $"f=$(mktemp); head -c {bytes} /dev/urandom >$f; sha256sum <$f; "
            + $"timeout 100 sh -c \"until busybox nc {to.Overlay(ipv6)} {port} <$f; do sleep 0.1; done\"; rm $f"));
        await receiving;
        var lines = sums.Trim().Split('\n');
        Assert.True(lines is [var sent, var received] && sent == received, sums);
    }

    /// <summary>What every kind of host does once its interface is there.</summary>
    protected void Configure()
    {
        var key = Exec("wg", "genkey").Trim();
        PublicKey = Sh($"echo {key} | wg pubkey").Trim();
        Sh($"echo {key} | wg set {Interface} private-key /dev/stdin");
        Ip($"addr add {Overlay(false)}/24 dev {Interface}");
        Ip($"addr add {Overlay(true)}/64 dev {Interface} nodad");
        Ip($"link set {Interface} mtu 1420 up");
    }

    private string[] Show(string what) => Exec("wg", "show", Interface, what).TrimEnd().Split('\t')[1..];
}
