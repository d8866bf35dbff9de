using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

/// <summary>What the operator makes of answers that the API server of other tests does not give.</summary>
public sealed class CallerRulesTests : IDisposable
{
    private const string Agent = "system:serviceaccount:wgmesh:wgmesh-agent";

    private readonly TemporaryFolder _folder = new();
    private readonly Script _script = new();
    private readonly KubernetesClient _client;

    public CallerRulesTests() =>
        _client = new KubernetesClient(new KubernetesClientConfiguration { Host = new Uri("https://127.0.0.1:1") }, null, _script);

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task An_API_server_that_knows_nothing_of_audiences_vouches_for_nobody()
    {
        _script.Review = Review(Agent);
        _script.Review["status"]!.AsObject().Remove("audiences");
        await RefusedAsync("audience wgmesh, which is wanted");
        _script.Review = Review(Agent);
        _script.Review["status"]!["audiences"] = new JsonArray("other");
        await RefusedAsync("audience wgmesh, which is wanted");
        _script.Review = Review(Agent);
        Assert.Equal(["a"], (await FindAsync()).Caller!.Nodes);
        Assert.Equal(["wgmesh"], _script.Asked!["spec"]!["audiences"]!.AsArray().Select(item => item!.GetValue<string>()));
    }

    [Fact]
    public async Task A_node_in_the_token_must_be_the_one_that_the_pod_is_on()
    {
        _script.Review = Review(Agent);
        _script.Review["status"]!["user"]!["extra"]!["authentication.kubernetes.io/node-name"] = new JsonArray("a");
        Assert.Equal(["a"], (await FindAsync()).Caller!.Nodes);
        _script.Review["status"]!["user"]!["extra"]!["authentication.kubernetes.io/node-name"] = new JsonArray("b");
        await RefusedAsync("the token was made for another node than a");
        _script.Review["status"]!["user"]!["extra"]!["authentication.kubernetes.io/node-name"] = new JsonArray("a", "b");
        await RefusedAsync("the token was made for another node than a");
    }

    [Theory]
    [InlineData("pod-name")]
    [InlineData("pod-uid")]
    public async Task A_token_that_does_not_name_one_pod_is_bound_to_none(string extra)
    {
        _script.Review = Review(Agent);
        _script.Review["status"]!["user"]!["extra"]!["authentication.kubernetes.io/" + extra] = new JsonArray("one", "two");
        await RefusedAsync("is bound to no pod");
        _script.Review["status"]!["user"]!["extra"]!["authentication.kubernetes.io/" + extra] = new JsonArray("");
        await RefusedAsync("is bound to no pod");
    }

    [Fact]
    public async Task Agents_are_no_replicas_even_if_the_operator_has_their_account()
    {
        _script.Review = Review(Agent);
        await File.WriteAllTextAsync(_folder["token"],
            $"e30.{System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"sub":"{{Agent}}"}"""))}.x");
        var caller = (await FindAsync()).Caller!;
        Assert.False(caller.IsReplica);
        Assert.Equal(["a"], caller.Nodes);
    }

    [Fact]
    public async Task A_user_without_a_name_is_nobody()
    {
        _script.Review = Review("");
        Assert.Equal(StatusCode.Unauthenticated, (await FindAsync()).Code);
        _script.Review["status"]!.AsObject().Remove("user");
        Assert.Equal(StatusCode.Unauthenticated, (await FindAsync()).Code);
    }

    private static JsonObject Review(string user) => new()
    {
        ["apiVersion"] = "authentication.k8s.io/v1",
        ["kind"] = "TokenReview",
        ["metadata"] = new JsonObject(),
        ["spec"] = new JsonObject { ["token"] = "hidden" },
        ["status"] = new JsonObject
        {
            ["authenticated"] = true,
            ["audiences"] = new JsonArray("wgmesh"),
            ["user"] = new JsonObject
            {
                ["username"] = user,
                ["extra"] = new JsonObject
                {
                    ["authentication.kubernetes.io/pod-name"] = new JsonArray("agent-1"),
                    ["authentication.kubernetes.io/pod-uid"] = new JsonArray("1234"),
                },
            },
        },
    };

    private Task<TokenVerdict> FindAsync() =>
        new CallerLookup(_client, "wgmesh", "wgmesh-agent", new ReplicaToken(_folder["token"]), TimeProvider.System).FindAsync("token", default);

    private async Task RefusedAsync(string expected)
    {
        var verdict = await FindAsync();
        Assert.Equal(StatusCode.Unauthenticated, verdict.Code);
        Assert.Null(verdict.Caller);
        Assert.Contains(expected, verdict.Detail, StringComparison.Ordinal);
    }

    /// <summary>An API server that has one pod.</summary>
    private sealed class Script : DelegatingHandler
    {
        public JsonObject Review { get; set; } = [];

        public JsonNode? Asked { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var answer = Review;
            if (request.Method == HttpMethod.Post)
            {
                Asked = JsonNode.Parse(await request.Content!.ReadAsStringAsync(cancellationToken));
            }
            else
            {
                Assert.Equal("/api/v1/namespaces/wgmesh/pods/agent-1", request.RequestUri!.AbsolutePath);
                answer = new JsonObject
                {
                    ["apiVersion"] = "v1",
                    ["kind"] = "Pod",
                    ["metadata"] = new JsonObject { ["name"] = "agent-1", ["namespace"] = "wgmesh", ["uid"] = "1234" },
                    ["spec"] = new JsonObject { ["nodeName"] = "a" },
                };
            }

            return new HttpResponseMessage(HttpStatusCode.OK)
            {
                RequestMessage = request,
                Content = new StringContent(answer.ToJsonString(), Encoding.UTF8, "application/json"),
            };
        }
    }
}
