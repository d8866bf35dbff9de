using System.Net;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Device;

/// <summary>
/// Two devices in network namespaces of their own, joined by a pair of veth: 192.0.2.1 and .2, 2001:db8::1 and ::2 outside, 10.0.0.1
/// and .2, fd00::1 and ::2 inside. The left one knows the right one's endpoint, and not the other way round.
/// </summary>
internal sealed class DevicePair : IDisposable
{
    private readonly List<WireGuardDevice> _devices = [];
    private WireGuardDevice? _left, _right;

    public DevicePair()
    {
        NetNamespace.Connect(LeftHost, RightHost);
        LeftHost.Ip("addr add 192.0.2.1/24 dev eth0");
        RightHost.Ip("addr add 192.0.2.2/24 dev eth0");
        LeftHost.Ip("addr add 2001:db8::1/64 dev eth0 nodad");
        RightHost.Ip("addr add 2001:db8::2/64 dev eth0 nodad");
    }

    public NetNamespace LeftHost { get; } = new();

    public NetNamespace RightHost { get; } = new();

    public WireGuardDevice Left => _left!;

    public WireGuardDevice Right => _right!;

    public DevicePair Start(string rightEndpoint = "192.0.2.2", Offloads disabled = Offloads.None, int lanes = 1, int mtu = 1420)
    {
        _left = Open(LeftHost, disabled, lanes, mtu, "10.0.0.1/24", "fd00::1/64");
        _right = Open(RightHost, disabled, lanes, mtu, "10.0.0.2/24", "fd00::2/64");
        Configure(_left, _right, rightEndpoint, "10.0.0.2/32", "fd00::2/128");
        Configure(_right, _left, null, "10.0.0.1/32", "fd00::1/128");
        return this;
    }

    public void Dispose()
    {
        _devices.ForEach(device => device.Dispose());
        LeftHost.Dispose();
        RightHost.Dispose();
    }

    public void PingRight() => LeftHost.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");

    public static void Configure(WireGuardDevice device, WireGuardDevice peer, string? endpoint, params string[] allowed)
    {
        var update = new PeerUpdate
        {
            PublicKey = peer.Snapshot().PublicKey!.Value,
            Endpoint = endpoint is null ? null : Endpoint.From(new IPEndPoint(IPAddress.Parse(endpoint), peer.Snapshot().ListenPort)),
            AllowedIps = [.. allowed.Select(text => Prefix.TryParse(text, out var prefix) ? new AllowedIpUpdate(prefix) : throw new FormatException(text))],
        };
        Assert.Null(device.Apply(new DeviceUpdate { Peers = [update] }));
    }

    private WireGuardDevice Open(NetNamespace home, Offloads disabled, int lanes, int mtu, params string[] addresses)
    {
        var device = home.Run(() => WireGuardDevice.Open(new DeviceOptions { Name = "wg0", Disabled = disabled, Lanes = lanes }));
        _devices.Add(device);
        foreach (var address in addresses)
        {
            home.Ip($"addr add {address} dev wg0{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        }

        home.Ip($"link set wg0 mtu {mtu} up");
        Assert.Null(device.Apply(new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) }));
        return device;
    }
}
