using System.Threading.Channels;
using Grpc.Core;
using WgMesh.Rpc;

namespace WgMesh.Cli.Tests;

/// <summary><c>check</c>, against a server on loopback that answers as an operator.</summary>
public sealed class CheckCommandTests : IAsyncLifetime
{
    private readonly AskedOperator<Operator> _operator = new(new Operator());

    public Task InitializeAsync() => _operator.StartAsync();

    public async Task DisposeAsync() => await _operator.DisposeAsync();

    [Fact]
    public async Task A_mesh_that_is_as_it_should_be_is_a_yes()
    {
        Say(Good);
        var (code, output, _) = await _operator.AskAsync("check");
        Assert.Equal((0, $"1 nodes, 1 agents connected, 0 external peers; links, counted at nodes: 0 up, 0 down, 0 idle{Environment.NewLine}"), (code, output));
    }

    [Fact]
    public async Task A_mesh_that_is_not_is_a_no_that_says_why()
    {
        Say(Away);
        var (code, output, _) = await _operator.AskAsync("check");
        Assert.Equal(1, code);
        Assert.StartsWith("node a: its agent is not connected", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_takes_its_time_is_waited_for()
    {
        Say(Away);
        var asking = _operator.AskAsync("check", "--wait", "600");
        Say(Away);
        Say(Good);
        Assert.Equal(0, (await asking).Code);
    }

    [Fact]
    public async Task What_does_not_come_in_time_is_a_no()
    {
        Say(Away);
        var (code, output, _) = await _operator.AskAsync("check", "--wait", "1");
        Assert.Equal(1, code);
        Assert.Contains("1 nodes, 0 agents connected", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_that_is_not_ready_yet_is_asked_again()
    {
        _operator.Service.Refusals = 1;
        Say(Good);
        Assert.Equal(0, (await _operator.AskAsync("check", "--wait", "600")).Code);

        _operator.Service.Refusals = 1;
        Assert.Equal(2, (await _operator.AskAsync("check")).Code);
    }

    [Fact]
    public async Task Links_that_are_down_are_named()
    {
        var down = new MeshStatus { Peers = { Node("a", true, 1), Node("b", true, 0) } };
        down.Peers[0].Links.Add(new LinkReport { Peer = "b", State = LinkState.Down });
        Say(down);
        _operator.Service.WithLinks = down;
        var (code, output, _) = await _operator.AskAsync("check");
        Assert.Equal(1, code);
        Assert.Contains("node a: no answer from b", output, StringComparison.Ordinal);
        Assert.Equal([[], ["a"]], _operator.Service.Asked);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("3601")]
    public async Task A_time_that_cannot_be_waited_is_refused(string seconds) =>
        Assert.Equal(1, (await _operator.AskAsync("check", $"--wait={seconds}")).Code);

    private static MeshStatus Good => new() { Peers = { Node("a", true, 0) } };

    private static MeshStatus Away => new() { Peers = { Node("a", false, 0) } };

    private static PeerStatus Node(string name, bool isConnected, uint down) => new()
    {
        Name = name,
        Node = name,
        Kind = PeerKind.Node,
        AgentConnected = isConnected,
        LinkSummary = new LinkSummary { Down = down },
    };

    private void Say(MeshStatus status) => Assert.True(_operator.Service.Statuses.Writer.TryWrite(status));

    internal sealed class Operator : Mesh.MeshBase
    {
        /// <summary>What is told, one after the other, whoever asks.</summary>
        public Channel<MeshStatus> Statuses { get; } = Channel.CreateUnbounded<MeshStatus>();

        /// <summary>What is told to whoever asks for links.</summary>
        public MeshStatus WithLinks { get; set; } = new();

        /// <summary>The peers whose links were asked for, call by call.</summary>
        public List<string[]> Asked { get; } = [];

        /// <summary>So many calls are refused first.</summary>
        public int Refusals { get; set; }

        public override async Task WatchStatus(
            WatchStatusRequest request, IServerStreamWriter<MeshStatus> responseStream, ServerCallContext context)
        {
            if (Refusals-- > 0)
                throw new RpcException(new Status(StatusCode.Unavailable, "not yet"));
            Asked.Add([.. request.LinksOf]);
            if (request.LinksOf.Count > 0)
                await responseStream.WriteAsync(WithLinks);
            await foreach (var status in Statuses.Reader.ReadAllAsync(context.CancellationToken))
                await responseStream.WriteAsync(status);
        }
    }
}
