using System.Net;
using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Linux;
using WgMesh.Engine.Tests.Protocol;

namespace WgMesh.Engine.Tests.Device;

public sealed class TransmitterTests : IDisposable
{
    private readonly UdpSocket _from = UdpSocket.Bind(false, 0);
    private readonly UdpSocket _to = UdpSocket.Bind(false, 0);
    private readonly EventFd _noHost = new(); // nothing is refused to the host here
    private readonly Peer _peer;
    private readonly ProtocolCore _core;
    private readonly Outbox _outbox = new();
    private readonly OffloadSwitches _offloads = new(null);

    public TransmitterTests()
    {
        var (_, a, _) = Lab.Pair();
        (_peer, _core) = (a.Only, a.Core);
        _offloads.SwitchOn(Offloads.UdpGso);
    }

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
        _noHost.Dispose();
    }

    [Fact]
    public void Datagrams_of_one_size_to_one_peer_leave_as_one_run_which_a_shorter_one_ends()
    {
        Add(1, 1000);
        Add(2, 1000);
        Add(3, 400);
        Add(4, 1000);
        Transmit();
        var messages = _to.Receive(4);
        Assert.Equal([[1, 2, 3], [4]], messages.Select(message => message.Split().Select(datagram => (int)datagram[0])));
        Assert.Equal(0, _outbox.Count);
    }

    [Fact]
    public void A_datagram_that_has_no_socket_does_not_tear_the_run_around_it()
    {
        Add(1, 1000);
        _outbox.Reserve(148)[..148].Fill(0xEE);
        _outbox.Commit(_peer, Endpoint.From(new IPEndPoint(IPAddress.IPv6Loopback, 9)), 0, 148);
        Add(2, 1000);
        Add(3, 1000);
        Transmit();
        Assert.Equal([1, 2, 3], _to.Receive(3).SelectMany(message => message.Split()).Select(datagram => Assert.Single(datagram.Distinct())).Select(value => (int)value));
        Assert.Equal(1, _peer.Counters.Drops[DropReason.SendFailed]);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void Without_the_offload_or_with_a_peer_that_takes_no_runs_each_goes_alone(bool offload, bool takesRuns)
    {
        if (!offload)
        {
            _offloads.SwitchOff(Offloads.UdpGso, "EIO");
        }

        _peer.TakesRuns = takesRuns;
        _to.StopCoalescing();
        Add(1, 1000);
        Add(2, 1000);
        Transmit();
        Assert.Equal([1000, 1000], _to.Receive(2).Select(message => message.Bytes.Length));
    }

    [Fact]
    public void An_address_that_is_gone_is_forgotten_and_everything_goes_from_elsewhere()
    {
        var gone = new UdpPath(Datagrams.At("127.0.0.1", _to.Port), Datagrams.Local("192.0.2.77"));
        _peer.SetEndpoint(gone);
        Add(1, 1000, gone);
        Add(2, 1000, gone);
        Add(3, 500, gone);
        Transmit();
        Assert.Equal([1, 2, 3], _to.Receive(3).SelectMany(message => message.Split()).Select(datagram => (int)datagram[0]));
        Assert.Equal(0, _peer.Counters.Drops[DropReason.SendFailed]);
        Assert.True(_peer.TakesRuns);
    }

    private void Add(byte value, int length, UdpPath? path = null)
    {
        _outbox.Reserve(length)[..length].Fill(value);
        _outbox.Commit(_peer, path ?? new UdpPath(Datagrams.At("127.0.0.1", _to.Port)), 0, length);
    }

    private void Transmit() => new Transmitter(_core, _offloads, new TunQueue(_noHost.Descriptor)).Transmit(_outbox, new LaneSockets(_from, null));
}
