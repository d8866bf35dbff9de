using System.Net;
using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Engine.Tests.Protocol;
using WgMesh.Engine.Tests.Uapi;
using WgMesh.Engine.Uapi;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Device;

/// <summary>S14 with real devices, told by the UAPI as <c>wg</c>'s protocol has it.</summary>
[Trait("needs", "system")]
public sealed class VersionMoveTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60); // an initiation is at least 5 s after the last

    private readonly NetNamespace _left = new();
    private readonly NetNamespace _right = new();
    private readonly string _sockets = Directory.CreateTempSubdirectory("uapi").FullName;
    private readonly List<WireGuardDevice> _devices = [];
    private readonly List<UapiServer> _servers = [];

    public Task InitializeAsync()
    {
        NetNamespace.Connect(_left, _right);
        _left.Ip("addr add 192.0.2.1/24 dev eth0");
        _right.Ip("addr add 192.0.2.2/24 dev eth0");
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        _devices.ForEach(device => device.Dispose());
        _left.Dispose();
        _right.Dispose();
        Directory.Delete(_sockets, recursive: true);
    }

    [Fact]
    public async Task No_ping_is_lost_while_a_link_moves_to_another_version_and_back()
    {
        var (left, right) = (Open(_left, "left", "10.0.0.1/24"), Open(_right, "right", "10.0.0.2/24"));
        Introduce(left, right, "192.0.2.2", "10.0.0.2/32");
        Introduce(right, left, "192.0.2.1", "10.0.0.1/32");
        _left.Exec("ping", "-c", "1", "-W", "60", "10.0.0.2");
        Assert.Equal((1u, 1u), (left.Snapshot().Peers[0].SessionVersion, right.Snapshot().Peers[0].SessionVersion));

        using var stop = new CancellationTokenSource();
        var pinging = Task.Factory.StartNew(() => Ping(stop.Token), TaskCreationOptions.LongRunning);
        try
        {
            foreach (var version in (uint[])[2, 1])
            {
                await SetVersionAsync("left", left, version);
                await SetVersionAsync("right", right, version);
                Until(() => _devices.TrueForAll(device => device.Snapshot().Peers[0].SessionVersion == version), $"the link did not move to version {version}", pinging);
            }
        }
        finally
        {
            await stop.CancelAsync();
        }

        Assert.All(await pinging, round => Assert.Contains(" 0% packet loss", round, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_version_that_is_not_spoken_is_refused_and_the_old_one_shown()
    {
        var (left, right) = (Open(_left, "left", "10.0.0.1/24"), Open(_right, "right", "10.0.0.2/24"));
        Introduce(left, right, "192.0.2.2", "10.0.0.2/32");
        await SetVersionAsync("left", left, 2);

        using var client = new UapiClient(Path.Combine(_sockets, "left.sock"));
        var peer = Convert.ToHexStringLower(left.Snapshot().Peers[0].PublicKey.ToArray());
        Assert.Equal("errno=-22\n\n", await client.AskAsync($"set=1\nlisten_port=1\npublic_key={peer}\nprotocol_version=3\n\n"));
        var shown = await client.AskAsync("get=1\n\n");
        Assert.Contains("\nprotocol_version=2\n", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("listen_port=1\n", shown, StringComparison.Ordinal);
        Assert.Equal([1u, 2u], left.Snapshot().ProtocolVersions.ToArray());
    }

    // round after round, none of which may miss a reply, however late it comes
    private List<string> Ping(CancellationToken stop)
    {
        var rounds = new List<string>();
        while (!stop.IsCancellationRequested)
        {
            rounds.Add(_left.Exec("ping", "-q", "-c", "20", "-i", "0.02", "-W", "60", "10.0.0.2"));
        }

        return rounds;
    }

    private WireGuardDevice Open(NetNamespace home, string name, string address)
    {
        var device = home.Run(() => WireGuardDevice.Open(new DeviceOptions { Name = "wg0", Versions = [ProtocolVersion.One, TestVersions.Two] }));
        _devices.Add(device);
        home.Ip($"addr add {address} dev wg0");
        home.Ip("link set wg0 mtu 1420 up");
        Assert.Null(device.Apply(new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) }));
        _servers.Add(UapiServer.Start(name, device.Apply, device.Snapshot, _ => { }, _sockets));
        return device;
    }

    private static void Introduce(WireGuardDevice device, WireGuardDevice peer, string address, string allowed) => Assert.Null(device.Apply(new DeviceUpdate
    {
        Peers =
        [
            new PeerUpdate
            {
                PublicKey = peer.Snapshot().PublicKey!.Value,
                Endpoint = Endpoint.From(new IPEndPoint(IPAddress.Parse(address), peer.Snapshot().ListenPort)),
                AllowedIps = [Prefix.TryParse(allowed, out var prefix) ? new AllowedIpUpdate(prefix) : throw new FormatException(allowed)],
            },
        ],
    }));

    private async Task SetVersionAsync(string name, WireGuardDevice device, uint version)
    {
        using var client = new UapiClient(Path.Combine(_sockets, $"{name}.sock"));
        var peer = Convert.ToHexStringLower(device.Snapshot().Peers[0].PublicKey.ToArray());
        Assert.Equal("errno=0\n\n", await client.AskAsync($"set=1\npublic_key={peer}\nupdate_only=true\nprotocol_version={version}\n\n"));
    }

    private static void Until(Func<bool> condition, string otherwise, Task pinging) =>
        Assert.True(SpinWait.SpinUntil(() => condition() || pinging.IsCompleted, Patience) && condition(), otherwise);
}
