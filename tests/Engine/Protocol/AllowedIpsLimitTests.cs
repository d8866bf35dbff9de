using System.Security.Cryptography;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>How many allowed IPs a device takes, and that it says so before it does anything.</summary>
public sealed class AllowedIpsLimitTests : IDisposable
{
    private static readonly PublicKey A = new([1, .. new byte[31]]);
    private static readonly PublicKey B = new([2, .. new byte[31]]);

    private readonly RandomNumberGenerator _random = RandomNumberGenerator.Create();
    private readonly Outbox _outbox = new();
    private readonly ProtocolCore _core;

    public AllowedIpsLimitTests() => _core = new ProtocolCore(TimeProvider.System, _random);

    public void Dispose() => _random.Dispose();

    [Fact]
    public void One_more_than_a_device_holds_is_refused_and_says_how_many()
    {
        var tooMany = _core.Validate(Peers(Given(A, 0, Limits.AllowedIps), Given(B, Limits.AllowedIps, 1)));
        Assert.Equal(new DeviceError(DeviceError.InvalidArgument, "too many allowed IPs: 500001, at most 500000"), tooMany);

        Apply(Peers(Given(A, 0, Limits.AllowedIps)));
        Assert.Equal(tooMany, _core.Validate(Peers(Given(B, Limits.AllowedIps, 1))));
        Assert.Equal(tooMany, _core.Validate(Peers(Given(B, Limits.AllowedIps, 1), Taken(B, 0, 1)))); // not B's to give up
        Assert.Null(_core.Validate(Peers(Given(B, Limits.AllowedIps, 1), Taken(A, 0, 1))));
        Assert.Null(_core.Validate(Peers(Given(B, 0, Limits.AllowedIps)))); // what moves is not there twice
        Assert.Equal(Limits.AllowedIps, _core.AllowedIps.Count);
    }

    [Fact]
    public void All_that_a_device_holds_is_replaced_by_as_many_in_every_way()
    {
        const int All = Limits.AllowedIps;
        Apply(Peers(Given(A, 0, All)));

        // what is new comes first, so that for a while there is twice as much
        Apply(Peers(Given(B, All, All), new PeerUpdate { PublicKey = A, ReplaceAllowedIps = true }));
        Assert.Equal((0, All), Counts());

        Apply(Peers(Given(A, 0, All), Taken(B, All, All)));
        Assert.Equal((All, 0), Counts());

        Apply(Peers(Given(B, All, All), new PeerUpdate { PublicKey = A, Remove = true }));
        Assert.Equal((0, All), Counts());

        Apply(new DeviceUpdate { ReplacePeers = true, Peers = [Given(B, 0, All)] });
        Assert.Equal((0, All), Counts());
    }

    private static DeviceUpdate Peers(params PeerUpdate[] peers) => new() { Peers = peers };

    private static PeerUpdate Given(PublicKey peer, int first, int count) => new() { PublicKey = peer, AllowedIps = Numbered(first, count, remove: false) };

    private static PeerUpdate Taken(PublicKey peer, int first, int count) => new() { PublicKey = peer, AllowedIps = Numbered(first, count, remove: true) };

    // of both families
    private static AllowedIpUpdate[] Numbered(int first, int count, bool remove) =>
        [.. Enumerable.Range(first, count).Select(i => new AllowedIpUpdate(Prefix.Create((UInt128)i, i % 2 == 0 ? 32 : 128, i % 2 != 0), remove))];

    private void Apply(DeviceUpdate update)
    {
        Assert.Null(_core.Validate(update));
        _core.Apply(update, Instant.Now(TimeProvider.System), _outbox);
    }

    private (int A, int B) Counts() => (Count(A), Count(B));

    private int Count(PublicKey key) => _core.Peers.Where(peer => peer.PublicKey == key).Sum(peer => _core.AllowedIps.List(peer).Length);
}
