using Google.Protobuf;
using Grpc.Core;
using WgMesh.Operator.Distribution;
using WgMesh.Rpc;
using static WgMesh.Operator.Tests.Planning.Clusters;

namespace WgMesh.Operator.Tests.Distribution;

public class HelloCheckTests
{
    [Fact]
    public void An_agent_has_the_key_that_the_oldest_pin_with_a_key_says()
    {
        var cluster = Three.With(Peer("empty", 0, 9) with { NodeName = "a" });
        Assert.Equal(Key(1), HelloCheck.Check(Hello("a", 1), Agent("a"), cluster).PublicKey);

        cluster = cluster.With(Peer("pin", 70, 3) with { NodeName = "a" });
        Assert.Equal(Key(70), HelloCheck.Check(Hello("a", 70), Agent("a"), cluster).PublicKey);
        var refused = Assert.Throws<RpcException>(() => HelloCheck.Check(Hello("a", 1), Agent("a"), cluster));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        Assert.Contains("WireGuardPeer pin pins the key of Node a", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void An_agent_of_a_node_that_is_not_in_the_mesh_is_told_why()
    {
        var cluster = Three with { Outside = [Node("win")] };
        Assert.Equal("there is no Node x", Refused("x"));
        Assert.Equal("Node win is not in the mesh, for its label kubernetes.io/os says that it does not run Linux", Refused("win"));

        string Refused(string node)
        {
            var refused = Assert.Throws<RpcException>(() => HelloCheck.Check(Hello(node, 9), Agent(node), cluster));
            Assert.Equal(StatusCode.NotFound, refused.StatusCode);
            return refused.Status.Detail;
        }
    }

    [Theory]
    [InlineData(62, "\U0001F600", false)]
    [InlineData(63, "", true)] // its second half would be the 65th
    [InlineData(64, "", true)]
    public void What_an_agent_says_is_shown_cut_between_characters_only(int before, string kept, bool isCut)
    {
        var text = new string('x', before) + "\U0001F600";
        Assert.Equal(new string('x', before) + kept + (isCut ? "..." : ""), HelloCheck.Shown(text));
    }

    private static Caller Agent(string node) => new() { Nodes = [node] };

    private static Hello Hello(string node, int key) => new() { Node = node, PublicKey = ByteString.CopyFrom(Key(key).ToArray()) };
}
