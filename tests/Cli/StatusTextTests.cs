using Google.Protobuf.WellKnownTypes;
using WgMesh.Rpc;

namespace WgMesh.Cli.Tests;

public class StatusTextTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_status_is_a_table_of_peers_one_of_how_their_links_are_one_of_those_asked_for_and_what_is_wrong()
    {
        var status = new MeshStatus { Revision = 7, Conflicts = { "laptop lost something." }, Rejected = { "bad.yaml:1: what it is" } };
        var a = new PeerStatus { Name = "a", Node = "a", AgentConnected = true, AppliedRevision = 7, AgentVersion = "0.1.0",
            Addresses = { "10.90.0.1/32" }, AllowedIps = { "10.1.0.0/24" }, ProtocolVersions = { 1, 2 } };
        a.Links.Add(new LinkReport { Peer = "b", LastHandshake = Timestamp.FromDateTimeOffset(Now.AddSeconds(-12)),
            Endpoint = "192.0.2.2:51820", ReceivedBytes = 1536, SentBytes = 10, ProtocolVersion = 2, State = LinkState.Up });
        a.Links.Add(new LinkReport { Peer = "laptop", State = LinkState.Down });
        a.Links.Add(new LinkReport { Peer = "site", State = LinkState.Idle });
        a.Links.Add(new LinkReport { Peer = "tower" });
        a.LinkSummary = new LinkSummary { Up = 1, Down = 20, Idle = 3, LastHandshake = Timestamp.FromDateTimeOffset(Now.AddSeconds(-12)),
            ReceivedBytes = 1536, SentBytes = 10 };
        status.Peers.Add(a);
        status.Peers.Add(new PeerStatus { Name = "b", Node = "b", Message = "waiting", Released = true, Errors = { "cni: no folder" } });
        status.Peers.Add(new PeerStatus { Name = "laptop", Kind = PeerKind.External, Addresses = { "10.90.0.3/32", "fd90:90::3/128" }, ProtocolVersions = { 1 },
            LinkSummary = new LinkSummary { Idle = 1 } });

        Assert.Equal("""
            plan 7: 2 nodes, 1 agents connected, 1 external peers

            PEER    KIND      ADDRESSES                    AGENT  SPEAKS  APPLIED  ALLOWED IPS  MESSAGE
            a       node      10.90.0.1/32                 0.1.0  1,2     7        10.1.0.0/24
            b       node      -                            away   -       0        -            waiting; released; cni: no folder
            laptop  external  10.90.0.3/32,fd90:90::3/128  -      1       -        -

            LINKS OF  UP  DOWN  IDLE  HANDSHAKE  RECEIVED  SENT
            a         1   20    3     12s ago    1.5 KiB   10 B
            laptop    0   0     1     never      0 B       0 B

            FROM  TO      STATE  HANDSHAKE  VERSION  ENDPOINT         RECEIVED  SENT
            a     b       up     12s ago    2        192.0.2.2:51820  1.5 KiB   10 B
            a     laptop  down   never      -        -                0 B       0 B
            a     site    idle   never      -        -                0 B       0 B
            a     tower   -      never      -        -                0 B       0 B

            CONFLICTS
              laptop lost something.

            PROBLEMS
              bad.yaml:1: what it is

            """, StatusText.Write(status, Now));
    }

    [Theory]
    [InlineData(0, 4, "protocol version 2 is asked for: 2 of 3 nodes speak it")]
    [InlineData(4, 4, "protocol version 2 is asked for: 2 of 3 nodes speak it")]
    [InlineData(5, 4, "protocol version 2 is asked for from generation 5 of WireGuardMesh default on, which is at 4: 2 of 3 nodes speak it")]
    public void A_protocol_version_that_is_asked_for_is_told_with_how_far_the_mesh_is(int at, int generation, string expected)
    {
        var status = new MeshStatus { Protocol = new ProtocolStatus { Version = 2, AtGeneration = at, Generation = generation, Nodes = 3, ReadyNodes = 2 } };
        Assert.Contains($"\n\n{expected}\n\n", StatusText.Write(status, Now), StringComparison.Ordinal);
    }

    [Fact]
    public void What_agents_say_does_not_steer_the_terminal()
    {
        var status = new MeshStatus { Rejected = { "a\u001b[2Jb" },
            Peers = { new PeerStatus { Name = "a", Node = "a", AgentConnected = true, AgentVersion = "1\r\n\u009b2J" } } };
        Assert.DoesNotContain(StatusText.Write(status, Now).Replace("\n", "", StringComparison.Ordinal), char.IsControl);
    }

    [Theory]
    [InlineData(-5, "0s ago")]
    [InlineData(59, "59s ago")]
    [InlineData(60, "1m 0s ago")]
    [InlineData(3661, "1h 1m ago")]
    [InlineData(90000, "1d 1h ago")]
    public void An_age_is_told_in_its_two_largest_units(int seconds, string expected) =>
        Assert.Equal(expected, StatusText.Age(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData(ulong.MaxValue, "16.0 EiB")]
    public void Bytes_are_told_in_the_unit_that_fits(ulong bytes, string expected) => Assert.Equal(expected, StatusText.Bytes(bytes));
}
