using Grpc.Core;
using WgMesh.Rpc;
using static WgMesh.Cli.Tests.CommandLineTests;

namespace WgMesh.Cli.Tests;

/// <summary>The commands that ask an operator, against a server on loopback that answers as one.</summary>
public sealed class OperatorCommandTests : IAsyncLifetime
{
    private readonly AskedOperator<Operator> _operator = new(new Operator());

    public Task InitializeAsync() => _operator.StartAsync();

    public async Task DisposeAsync() => await _operator.DisposeAsync();

    [Fact]
    public async Task A_peers_configuration_is_printed_as_it_is()
    {
        var (code, output, error) = await AskAsync("peer-config", "laptop");
        Assert.Equal((0, "[Interface]\nAddress = 10.90.0.4/32\n", ""), (code, output, error));
    }

    [Fact]
    public async Task A_peer_that_is_not_there_is_a_no()
    {
        var (code, output, error) = await AskAsync("peer-config", "nobody");
        Assert.Equal((1, "", $"there is no WireGuardPeer nobody{Environment.NewLine}"), (code, output, error));
    }

    [Fact]
    public async Task The_status_is_shown_once()
    {
        var (code, output, _) = await AskAsync("status");
        Assert.Equal(0, code);
        Assert.StartsWith("plan 1: 0 nodes", output, StringComparison.Ordinal);
        Assert.DoesNotContain("plan 2", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_are_asked_for_by_the_names_of_peers()
    {
        var (code, output, error) = await AskAsync("status", "laptop", "site");
        Assert.Equal((0, ""), (code, error));
        Assert.Matches(@"(?m)^laptop +hub ", output);
        Assert.Matches(@"(?m)^site +hub ", output);
    }

    [Fact]
    public async Task Links_of_a_peer_that_is_not_there_are_a_no()
    {
        var (code, output, error) = await AskAsync("status", "laptop", "nobody");
        Assert.Equal((1, "", $"there is no WireGuardPeer nobody{Environment.NewLine}"), (code, output, error));
    }

    [Fact]
    public async Task The_links_of_too_many_peers_are_a_no()
    {
        var (code, _, error) = await AskAsync("status", "a", "b", "c");
        Assert.Equal((1, $"too many{Environment.NewLine}"), (code, error));
    }

    [Fact]
    public async Task The_status_is_watched_until_the_operator_ends_it()
    {
        var (code, output, error) = await AskAsync("status", "--watch");
        Assert.Equal(2, code);
        Assert.Contains("plan 1: ", output, StringComparison.Ordinal);
        Assert.Contains("plan 2: ", output, StringComparison.Ordinal);
        Assert.Contains("the operator is stopping", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_alone_in_a_file_will_do()
    {
        await File.WriteAllTextAsync(_operator.Tokens, "tool-token\n");
        Assert.Equal(0, (await AskAsync("peer-config", "laptop")).Code);
    }

    [Fact]
    public async Task A_wrong_token_is_told_as_such()
    {
        await File.WriteAllTextAsync(_operator.Tokens, "other-token *\n");
        var (code, _, error) = await AskAsync("peer-config", "laptop");
        Assert.Equal(2, code);
        Assert.Contains("refused the token", error, StringComparison.Ordinal);
        Assert.DoesNotContain("other-token", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_with_tokens_of_nodes_alone_is_told_as_such()
    {
        await File.WriteAllTextAsync(_operator.Tokens, "node-token a\n");
        var (code, _, error) = await AskAsync("status");
        Assert.Equal(2, code);
        Assert.Contains("has no token for tools", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_of_another_authority_is_not_believed()
    {
        var (code, _, error) = await RunAsync("peer-config", "laptop", "--operator", _operator.Url, "--token-file", _operator.Tokens);
        Assert.Equal(2, code);
        Assert.Contains("could not be asked (Unavailable)", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_that_is_not_there_is_told_as_such()
    {
        var (code, _, error) = await RunAsync("status", "--operator", "https://127.0.0.1:1", "--ca", _operator.Authority, "--token-file", _operator.Tokens);
        Assert.Equal(2, code);
        Assert.Contains("127.0.0.1:1", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_on_the_command_line_comes_from_the_environment()
    {
        var (code, _, error) = await RunAsync("status");
        Assert.Equal(2, code);
        Assert.Contains("WGMESH_OPERATOR", error, StringComparison.Ordinal);
        try
        {
            Environment.SetEnvironmentVariable("WGMESH_OPERATOR", _operator.Url);
            (code, _, error) = await RunAsync("status");
            Assert.Equal(2, code);
            Assert.Contains("WGMESH_TOKEN_FILE", error, StringComparison.Ordinal);

            Environment.SetEnvironmentVariable("WGMESH_CA", _operator.Authority);
            Environment.SetEnvironmentVariable("WGMESH_TOKEN_FILE", _operator.Tokens);
            Assert.Equal(0, (await RunAsync("status")).Code);
        }
        finally
        {
            foreach (var name in (string[])["WGMESH_OPERATOR", "WGMESH_CA", "WGMESH_TOKEN_FILE"])
                Environment.SetEnvironmentVariable(name, null);
        }
    }

    private Task<(int Code, string Output, string Error)> AskAsync(params string[] args) => _operator.AskAsync(args);

    internal sealed class Operator : Mesh.MeshBase
    {
        public override Task<PeerConfigFile> GetPeerConfig(GetPeerConfigRequest request, ServerCallContext context)
        {
            Authenticate(context);
            return request.Peer == "laptop"
                ? Task.FromResult(new PeerConfigFile { Text = "[Interface]\nAddress = 10.90.0.4/32\n" })
                : throw new RpcException(new Status(StatusCode.NotFound, $"there is no WireGuardPeer {request.Peer}"));
        }

        public override async Task WatchStatus(WatchStatusRequest request, IServerStreamWriter<MeshStatus> responseStream,
            ServerCallContext context)
        {
            Authenticate(context);
            if (request.LinksOf.Count > 2)
                throw new RpcException(new Status(StatusCode.InvalidArgument, "too many"));
            var peers = request.LinksOf.Where(name => name != "nobody").Select(name => new PeerStatus { Name = name, Links = { new LinkReport { Peer = "hub" } } });
            await responseStream.WriteAsync(new MeshStatus { Revision = 1, Peers = { peers } });
            await responseStream.WriteAsync(new MeshStatus { Revision = 2 });
            throw new RpcException(new Status(StatusCode.Unavailable, "the operator is stopping"));
        }

        private static void Authenticate(ServerCallContext context)
        {
            if (context.RequestHeaders.GetValue("authorization") != "Bearer tool-token")
                throw new RpcException(new Status(StatusCode.Unauthenticated, "the call needs a known token"));
        }
    }
}
