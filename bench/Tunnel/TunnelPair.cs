using System.Globalization;
using System.Net;
using System.Net.Sockets;
using WgMesh.Bench;
using WgMesh.Tests.Shared;

namespace WgMesh.Tunnel;

/// <summary>Two hosts (network namespaces) on one wire (a veth pair), with a tunnel between them. All of it goes with <see cref="Dispose"/>.</summary>
internal sealed class TunnelPair : IDisposable
{
    private const string Ethernet = "eth0";
    private const int WirePort = 51820, WireMtu = 1500, TunnelMtu = 1420;

    private readonly List<NetNamespace> _hosts = [];
    private readonly List<EngineProcess> _engines = [];
    private readonly string[] _interfaces;

    /// <exception cref="InvalidOperationException">An end could not be made.</exception>
    public TunnelPair(TunnelEngine engine, CancellationToken stop)
    {
        // the sockets of all interfaces of all namespaces are in one folder
        _interfaces = engine.Program is null ? [Ethernet, Ethernet] : [$"wgb{Environment.ProcessId}a", $"wgb{Environment.ProcessId}b"];
        try
        {
            _hosts.Add(new NetNamespace());
            _hosts.Add(new NetNamespace());
            NetNamespace.Connect(Left, Right, Ethernet);
            foreach (var host in _hosts)
                host.Ip($"link set {Ethernet} mtu {WireMtu}");
            if (engine.Program is not null)
                MakeTunnel(engine, stop);
            for (var i = 0; i < 2; i++)
                _hosts[i].Ip($"addr add {Inner(i)}/24 dev {_interfaces[i]}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public NetNamespace Left => _hosts[0];

    public NetNamespace Right => _hosts[1];

    public static IPAddress LeftAddress { get; } = IPAddress.Parse(Inner(0));

    public static IPAddress RightAddress { get; } = IPAddress.Parse(Inner(1));

    /// <summary>Whether there is an engine at all, or the wire alone.</summary>
    public bool HasEngine => _engines.Count > 0;

    /// <summary>Whether an engine has ended before its time.</summary>
    public bool HasLostEngine => _engines.Exists(engine => engine.HasEnded);

    /// <summary>A UDP socket through the tunnel, at its left or right end, connected with the other end.</summary>
    /// <param name="port">At both ends.</param>
    public Socket Connect(bool left, int port) => (left ? Left : Right).Run(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(left ? LeftAddress : RightAddress, port));
        socket.Connect(left ? RightAddress : LeftAddress, port);
        return socket;
    });

    /// <summary>CPU time of both engines so far.</summary>
    public TimeSpan Cpu() => TimeSpan.FromTicks(_engines.Sum(engine => engine.Cpu().Ticks));

    /// <summary>Resident memory of the engine that has more, now and at most, in MB.</summary>
    public (double Now, double Peak) Memory()
    {
        var memory = _engines.ConvertAll(engine => engine.Memory());
        return (memory.Max(m => m.Now), memory.Max(m => m.Peak));
    }

    public void Dispose() => Teardown.All([.. _engines, .. _hosts]);

    private static string Inner(int host) => string.Create(CultureInfo.InvariantCulture, $"10.77.0.{host + 1}");

    private static string Outer(int host) => string.Create(CultureInfo.InvariantCulture, $"192.0.2.{host + 1}");

    private void MakeTunnel(TunnelEngine engine, CancellationToken stop)
    {
        string[] keys = [NetNamespace.Command("wg", "genkey").Trim(), NetNamespace.Command("wg", "genkey").Trim()];
        for (var i = 0; i < 2; i++)
        {
            var (host, name, other) = (_hosts[i], _interfaces[i], 1 - i);
            _engines.Add(new EngineProcess(engine, host, name, stop));
            var peer = NetNamespace.Command("sh", "-c", $"echo {keys[other]} | wg pubkey").Trim();
            NetNamespace.Command(
                "sh", "-c",
                $"echo {keys[i]} | wg set {name} listen-port {WirePort} private-key /dev/stdin "
                + $"peer {peer} allowed-ips {Inner(other)}/32 endpoint {Outer(other)}:{WirePort}");
            host.Ip($"addr add {Outer(i)}/24 dev {Ethernet}");
            host.Ip($"link set {name} mtu {TunnelMtu} up");
        }
    }
}
