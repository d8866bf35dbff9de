using WgMesh.Rpc;

namespace WgMesh.Cli.Tests;

public sealed class MeshHealthTests
{
    [Fact]
    public void Nodes_that_take_part_and_have_no_link_down_are_all_there_is_to_health()
    {
        var status = new MeshStatus { Peers = { Node("a", up: 1), Node("b", up: 1, idle: 1), new PeerStatus { Name = "phone", Kind = PeerKind.External } } };
        Assert.Empty(MeshHealth.ProblemsOf(status));
        Assert.Equal("2 nodes, 2 agents connected, 1 external peers; links, counted at nodes: 2 up, 0 down, 1 idle", MeshHealth.Summary(status));
    }

    [Fact]
    public void A_mesh_without_nodes_is_not_there_yet() => Assert.Equal(["the mesh has no nodes"], MeshHealth.ProblemsOf(new MeshStatus()));

    [Fact]
    public void A_node_that_is_away_refused_released_or_at_fault_is_named()
    {
        var (away, faulty, refused, released) = (Node("a"), Node("b"), Node("c"), Node("d"));
        released.Released = true;
        away.AgentConnected = false;
        faulty.Errors.Add("cni: /etc/cni/net.d is read-only\u001b");
        refused.Message = "refused: its key is another's";
        Assert.Equal(
            [
                "node a: its agent is not connected to the operator", "node b: cni: /etc/cni/net.d is read-only?", "node c: refused: its key is another's",
                "node d: the mesh was taken off it, as before an uninstall; it takes part again when its agent is started anew",
            ],
            MeshHealth.ProblemsOf(new MeshStatus { Peers = { away, faulty, refused, released } }));
    }

    [Fact]
    public void A_link_between_nodes_that_is_down_is_wrong_and_one_with_a_device_is_not()
    {
        var laptop = new PeerStatus { Name = "laptop", Kind = PeerKind.External, LinkSummary = new LinkSummary { Down = 2 } };
        Assert.Empty(MeshHealth.ProblemsOf(new MeshStatus { Peers = { Node("a", down: 1), Node("b", down: 1), laptop } }));

        var status = new MeshStatus { Peers = { Node("a", down: 2), Node("b", down: 1), laptop } };
        Assert.Equal(["1 link between nodes, counted at each end, is down"], MeshHealth.ProblemsOf(status));
        Assert.Equal(["a", "b"], MeshHealth.NodesWithLinksDown(status));

        status.Peers[0].Links.Add(new LinkReport { Peer = "laptop", State = LinkState.Down });
        status.Peers[0].Links.Add(new LinkReport { Peer = "b", State = LinkState.Down, Endpoint = "192.0.2.2:51820" });
        status.Peers[1].Links.Add(new LinkReport { Peer = "a", State = LinkState.Idle });
        Assert.Equal(["node a: no answer from b at 192.0.2.2:51820"], MeshHealth.LinksDown(status));
    }

    [Fact]
    public void What_a_device_lacks_is_a_note()
    {
        var status = new MeshStatus
        {
            Peers = { Node("a"), new PeerStatus { Name = "twin", Kind = PeerKind.External, Message = "refused: its key is another's" } },
            Conflicts = { "twin lost" },
        };
        Assert.Empty(MeshHealth.ProblemsOf(status));
        Assert.Equal(["twin: refused: its key is another's", "twin lost"], MeshHealth.NotesOf(status));
    }

    private static PeerStatus Node(string name, uint up = 0, uint down = 0, uint idle = 0) => new()
    {
        Name = name,
        Node = name,
        Kind = PeerKind.Node,
        AgentConnected = true,
        LinkSummary = new LinkSummary { Up = up, Down = down, Idle = idle },
    };
}
