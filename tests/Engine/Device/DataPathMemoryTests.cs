using System.Net;
using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Device;

/// <summary>These count what the whole process allocates, so nothing runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Memory does not follow the load.</summary>
[Collection(Alone.Name)]
[Trait("needs", "system")]
public sealed class DataPathMemoryTests : IDisposable
{
    // An object per packet would be at least 24 bytes for each of the 10,000 packets, each of which passes four lanes. What the test itself needs
    // to start a program and to read its output is far below.
    private const int Packets = 10_000;
    private const long Little = 500_000;

    private readonly DevicePair _pair = new();

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void However_much_is_carried_nothing_is_allocated_for_it()
    {
        _pair.Start();
        _pair.LeftHost.Exec("ping", "-q", "-f", "-c", "500", "-s", "1200", "10.0.0.2");
        var before = GC.GetTotalAllocatedBytes(precise: true);
        _pair.LeftHost.Exec("ping", "-q", "-f", "-c", $"{Packets}", "-s", "1200", "10.0.0.2");
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, Little);
    }

    [Fact]
    public void A_flood_for_a_dead_peer_takes_the_memory_of_what_may_wait_and_no_more()
    {
        _pair.Start();
        _pair.PingRight();
        Assert.True(Engine.Routing.Prefix.TryParse("10.0.0.9/32", out var dead));
        Assert.Null(_pair.Left.Apply(new DeviceUpdate
        {
            Peers = [new PeerUpdate { PublicKey = DeadKey(), Endpoint = Endpoint.From(new IPEndPoint(IPAddress.Parse("192.0.2.99"), 1)), AllowedIps = [new(dead)] }],
        }));
        using var sender = _pair.LeftHost.Run(() => UdpSocket.Bind(false, 0));
        var batch = new UdpSendBatch();
        var memory = new byte[1200];
        UdpRun[] run = [new(0, memory.Length, memory.Length, new UdpPath(Endpoint.From(new IPEndPoint(IPAddress.Parse("10.0.0.9"), 9))), 0)];
        Send(1000);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        Send(Packets);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, Little);
        Assert.True(_pair.Left.PeerDrops(DropReason.NoSession) > 0);
        _pair.PingRight(); // the living notice nothing

        void Send(int count)
        {
            for (var i = 0; i < count; i++)
            {
                sender.Send(memory, run, batch, out _);
            }
        }
    }

    private static PublicKey DeadKey()
    {
        using var key = new StaticIdentity(new SecretKey(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        return key.PublicKey;
    }
}
