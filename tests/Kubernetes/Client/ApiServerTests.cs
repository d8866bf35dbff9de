using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

/// <summary>The client against a real API server: objects and reviews.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class ApiServerTests(KubernetesServer server) : IAsyncLifetime
{
    private readonly KubernetesClient _client = new(server.Admin);
    private readonly string _space = $"client-{Guid.NewGuid():n}"[..20];

    public Task InitializeAsync() => server.AddNamespaceAsync(_space);

    public Task DisposeAsync()
    {
        _client.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task An_object_is_made_read_and_deleted_and_made_only_once()
    {
        Assert.Null(await _client.FindAsync(ResourceTypes.ConfigMaps, "a", _space, default));
        var made = await _client.CreateAsync(ResourceTypes.ConfigMaps, ConfigMap("a", ("k", "v")), default);
        Assert.NotNull(made.Metadata.Uid);
        var e = await Assert.ThrowsAsync<ApiException>(() => _client.CreateAsync(ResourceTypes.ConfigMaps, ConfigMap("a"), default));
        Assert.Equal((409, "AlreadyExists"), (e.StatusCode, e.Reason));

        var read = await _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, default);
        Assert.Equal((made.Metadata.Uid, "v"), (read.Metadata.Uid, read.Data["k"]));
        await _client.DeleteAsync(ResourceTypes.ConfigMaps, "a", _space, null, default);
        e = await Assert.ThrowsAsync<ApiException>(() => _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, default));
        Assert.Equal((404, "NotFound"), (e.StatusCode, e.Reason));
    }

    [Fact]
    public async Task Only_the_object_with_the_uid_is_deleted()
    {
        var first = await _client.CreateAsync(ResourceTypes.ConfigMaps, ConfigMap("a"), default);
        await _client.DeleteAsync(ResourceTypes.ConfigMaps, "a", _space, first.Metadata.Uid, default);
        var second = await _client.CreateAsync(ResourceTypes.ConfigMaps, ConfigMap("a"), default);
        var e = await Assert.ThrowsAsync<ApiException>(() => _client.DeleteAsync(ResourceTypes.ConfigMaps, "a", _space, first.Metadata.Uid, default));
        Assert.Equal(409, e.StatusCode);
        Assert.Equal(second.Metadata.Uid, (await _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, default)).Metadata.Uid);
    }

    [Fact]
    public async Task A_replaced_object_keeps_what_is_not_known_here_and_a_stale_one_is_refused()
    {
        await server.SendAsync(HttpMethod.Post, $"/api/v1/namespaces/{_space}/configmaps", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "a", ["generateName"] = "g", ["labels"] = new JsonObject { ["l"] = "1" } },
            ["data"] = new JsonObject { ["k"] = "v" },
            ["binaryData"] = new JsonObject { ["b"] = "AAEC" },
        });
        var stale = await _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, default);
        var read = await _client.GetAsync(ResourceTypes.ConfigMaps, "a", _space, default);
        read.Data["k"] = "w";
        read.Metadata.Labels.Clear();
        await _client.ReplaceAsync(ResourceTypes.ConfigMaps, read, default);

        var stored = (await server.FindAsync($"/api/v1/namespaces/{_space}/configmaps/a"))!;
        Assert.Equal(("w", "AAEC"), ((string?)stored["data"]!["k"], (string?)stored["binaryData"]!["b"]));
        Assert.Equal("g", (string?)stored["metadata"]!["generateName"]);
        Assert.Null(stored["metadata"]!["labels"]);
        Assert.NotEmpty(stored["metadata"]!["managedFields"]!.AsArray());
        var e = await Assert.ThrowsAsync<ApiException>(() => _client.ReplaceAsync(ResourceTypes.ConfigMaps, stale, default));
        Assert.Equal((409, "Conflict"), (e.StatusCode, e.Reason));
    }

    [Fact]
    public async Task A_lease_goes_there_and_back_with_its_microseconds()
    {
        var time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) + TimeSpan.FromMicroseconds(123456);
        var lease = await _client.CreateAsync(ResourceTypes.Leases, new Lease
        {
            Metadata = { Name = "l", Namespace = _space },
            Spec = { HolderIdentity = "me", LeaseDurationSeconds = 15, AcquireTime = time, RenewTime = time, LeaseTransitions = 1 },
        }, default);
        lease.Spec.RenewTime = time.AddSeconds(1);
        lease = await _client.ReplaceAsync(ResourceTypes.Leases, lease, default);
        Assert.Equal((time, time.AddSeconds(1)), (lease.Spec.AcquireTime, lease.Spec.RenewTime));
    }

    [Fact]
    public async Task An_applied_field_belongs_to_its_manager_until_another_takes_it_by_force()
    {
        await _client.ApplyAsync(ResourceTypes.ConfigMaps, Applied("a", ("k", "one"), ("other", "1")), "first", force: false, default);
        var e = await Assert.ThrowsAsync<ApiException>(() =>
            _client.ApplyAsync(ResourceTypes.ConfigMaps, Applied("a", ("k", "two")), "second", force: false, default));
        Assert.Equal((409, "Conflict"), (e.StatusCode, e.Reason));
        var applied = await _client.ApplyAsync(ResourceTypes.ConfigMaps, Applied("a", ("k", "two")), "second", force: true, default);
        Assert.Equal("two", applied.Data["k"]);

        applied = await _client.ApplyAsync(ResourceTypes.ConfigMaps, Applied("a"), "first", force: false, default);
        Assert.Equal(["k"], applied.Data.Keys); // what is not applied any more is gone, and what is another's stays
    }

    [Fact]
    public async Task Any_text_is_applied_as_it_is()
    {
        const string Text = "é \u0085\u00a0\u2028 \ud83d\ude00 \"quoted\" \\ud83d\\ude00 # - : {x}\n\ttab\r\nend \ufeff";
        var applied = await _client.ApplyAsync(ResourceTypes.ConfigMaps, Applied("text", ("k", Text), ("n", "1"), ("b", "yes"), ("e", "")), "me", force: false, default);
        Assert.Equal(Text, applied.Data["k"]);
        Assert.Equal(("1", "yes", ""), (applied.Data["n"], applied.Data["b"], applied.Data["e"]));
    }

    [Fact]
    public async Task A_status_is_applied_apart_from_the_rest()
    {
        var name = $"{_space}-node";
        await server.CreateNodeAsync(name);
        var node = await _client.ApplyStatusAsync(ResourceTypes.Nodes, new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["podCIDR"] = "10.9.0.0/24", ["podCIDRs"] = new JsonArray("10.9.0.0/24") },
            ["status"] = new JsonObject { ["addresses"] = new JsonArray(new JsonObject { ["type"] = "InternalIP", ["address"] = "192.0.2.9" }) },
        }, "me", default);
        Assert.Equal("192.0.2.9", Assert.Single(node.Status.Addresses).Address);
        Assert.Null(node.Spec.PodCidr);
    }

    [Fact]
    public async Task An_apply_with_a_uid_does_not_change_a_namesake()
    {
        var first = await _client.CreateAsync(ResourceTypes.ConfigMaps, ConfigMap("a"), default);
        await _client.DeleteAsync(ResourceTypes.ConfigMaps, "a", _space, null, default);
        var item = Applied("a", ("k", "v"));
        item["metadata"]!["uid"] = first.Metadata.Uid;
        await Assert.ThrowsAsync<ApiException>(() => _client.ApplyAsync(ResourceTypes.ConfigMaps, item, "me", force: true, default));
        Assert.Null(await _client.FindAsync(ResourceTypes.ConfigMaps, "a", _space, default));
    }

    [Fact]
    public async Task A_kind_that_the_server_does_not_know_is_an_error()
    {
        var unknown = new ResourceType<ConfigMap>("example.com/v1", "Nothing", "nothings", true, KubernetesJson.Default.ConfigMap);
        var e = await Assert.ThrowsAsync<ApiException>(() => _client.FindAsync(unknown, "a", _space, default));
        Assert.Equal(404, e.StatusCode);
    }

    [Fact]
    public async Task A_projected_token_is_reviewed_and_used()
    {
        await server.AddServiceAccountAsync(_space, "agent");
        var uid = await server.CreatePodAsync(_space, "agent-1", "agent", $"{_space}-x");
        var token = await server.RequestTokenAsync(_space, "agent", "wgmesh", ("agent-1", uid));
        var review = await ReviewAsync(token, "wgmesh");
        Assert.True(review.Authenticated);
        Assert.Equal(["wgmesh"], review.Audiences);
        Assert.Equal($"system:serviceaccount:{_space}:agent", review.User!.Username);
        Assert.Equal(["agent-1"], review.User.Extra["authentication.kubernetes.io/pod-name"]);
        Assert.Equal([uid], review.User.Extra["authentication.kubernetes.io/pod-uid"]);
        Assert.False((await ReviewAsync(token, "other")).Authenticated);

        // who has no rights is told so, and a token for somebody else is none here
        using var agent = new KubernetesClient(server.Configuration(await server.RequestTokenAsync(_space, "agent", KubernetesServer.Issuer, ("agent-1", uid)), null));
        var e = await Assert.ThrowsAsync<ApiException>(() => agent.FindAsync(ResourceTypes.ConfigMaps, "a", _space, default));
        Assert.Equal((403, "Forbidden"), (e.StatusCode, e.Reason));
        using var stranger = new KubernetesClient(server.Configuration(token, null));
        e = await Assert.ThrowsAsync<ApiException>(() => stranger.FindAsync(ResourceTypes.ConfigMaps, "a", _space, default));
        Assert.Equal(401, e.StatusCode);
        Assert.DoesNotContain(token, e.ToString(), StringComparison.Ordinal);
    }

    private async Task<TokenReviewStatus> ReviewAsync(string token, string audience) =>
        (await _client.CreateAsync(ResourceTypes.TokenReviews, new TokenReview { Spec = { Token = token, Audiences = [audience] } }, default)).Status!;

    private ConfigMap ConfigMap(string name, params (string Key, string Value)[] data) => new()
    {
        Metadata = { Name = name, Namespace = _space },
        Data = data.ToDictionary(item => item.Key, item => item.Value),
    };

    private JsonObject Applied(string name, params (string Key, string Value)[] data) => new()
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = _space },
        ["data"] = new JsonObject(data.Select(item => KeyValuePair.Create(item.Key, (JsonNode?)item.Value))),
    };
}
