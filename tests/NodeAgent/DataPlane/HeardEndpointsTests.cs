using WgMesh.Engine.Device;
using WgMesh.NodeAgent.DataPlane;
using static WgMesh.NodeAgent.Tests.Sync.Configs;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Tests.DataPlane;

public sealed class HeardEndpointsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_next_agent_calls_a_peer_where_the_one_before_heard_it()
    {
        new HeardEndpoints(_folder.Path).Keep(Device(("laptop", "203.0.113.9:4711"), ("phone", "[2001:db8::9]:4711"), ("never", "")));

        var next = new HeardEndpoints(_folder.Path).Complete(Update(Peer("laptop"), Peer("phone"), Peer("never")));

        Assert.Equal(["203.0.113.9:4711", "[2001:db8::9]:4711", null], next.Peers.Select(peer => peer.Endpoint?.ToString()));
    }

    [Fact]
    public void What_was_configured_holds_and_so_does_what_the_device_knows()
    {
        new HeardEndpoints(_folder.Path).Keep(Device(("laptop", "203.0.113.9:4711"), ("phone", "203.0.113.10:4711")));
        var configured = Peer("laptop") with { Endpoint = E("192.0.2.1:51820") };
        var update = Update(configured, Peer("phone") with { UpdateOnly = true });

        Assert.Equal(update.Peers, new HeardEndpoints(_folder.Path).Complete(update).Peers);
    }

    [Fact]
    public void A_peer_that_goes_and_comes_again_is_not_called_where_it_was_long_ago()
    {
        new HeardEndpoints(_folder.Path).Keep(Device(("laptop", "203.0.113.9:4711")));
        var heard = new HeardEndpoints(_folder.Path);
        heard.Complete(Update(Peer("laptop")));

        Assert.Null(Assert.Single(heard.Complete(Update(Peer("laptop"))).Peers).Endpoint);
    }

    [Theory]
    [InlineData("nonsense\n\n a b c\n")]
    [InlineData("AAAA 203.0.113.9:4711\n")]
    public void What_cannot_be_read_is_not_there(string content)
    {
        File.WriteAllText(_folder.File(HeardEndpoints.FileName), content);

        Assert.Null(Assert.Single(new HeardEndpoints(_folder.Path).Complete(Update(Peer("laptop"))).Peers).Endpoint);
    }

    [Fact]
    public void It_is_written_when_something_changed_and_a_folder_that_is_gone_is_no_fault()
    {
        var heard = new HeardEndpoints(_folder.Path);
        heard.Keep(Device());
        Assert.False(File.Exists(_folder.File(HeardEndpoints.FileName)));

        heard.Keep(Device(("laptop", "203.0.113.9:4711")));
        File.Delete(_folder.File(HeardEndpoints.FileName));
        heard.Keep(Device(("laptop", "203.0.113.9:4711")));
        Assert.False(File.Exists(_folder.File(HeardEndpoints.FileName)));

        new HeardEndpoints(_folder.File("none")).Keep(Device(("laptop", "203.0.113.9:4711")));
    }

    private static DeviceUpdate Update(params PeerUpdate[] peers) => new() { Peers = peers };

    private static PeerUpdate Peer(string name) => new() { PublicKey = Key(name), Name = name };

    private static DeviceSnapshot Device(params (string Name, string Endpoint)[] peers) => new()
    {
        Name = "wg0",
        ListenPort = 0,
        FirewallMark = 0,
        Mtu = 1420,
        Peers =
        [
            .. peers.Select(peer => new PeerSnapshot
            {
                PublicKey = Key(peer.Name),
                Name = peer.Name,
                Endpoint = peer.Endpoint.Length == 0 ? default : E(peer.Endpoint),
                PersistentKeepalive = 0,
                AllowedIps = [],
                ReceivedBytes = 0,
                SentBytes = 0,
                ReceivedPackets = 0,
                SentPackets = 0,
                ProtocolVersion = 1,
            }),
        ],
    };

    private static Endpoint E(string text) => Endpoint.TryParse(text, out var endpoint) ? endpoint : throw new ArgumentException(text);
}
