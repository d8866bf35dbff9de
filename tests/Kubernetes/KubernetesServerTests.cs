using System.Net;
using System.Text.Json.Nodes;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

/// <summary>What other tests take for granted of the server that they run against.</summary>
[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class KubernetesServerTests(KubernetesServer server)
{
    [Fact]
    public async Task It_is_back_with_what_it_stored_after_it_was_killed()
    {
        await server.AddNamespaceAsync("stays");
        var url = server.Url;
        await server.StopApiServerAsync();
        await Assert.ThrowsAsync<HttpRequestException>(() => server.FindAsync("/api/v1/namespaces/stays"));
        await server.StartApiServerAsync();
        Assert.Equal(url, server.Url);
        Assert.NotNull(await server.FindAsync("/api/v1/namespaces/stays"));
    }

    [Fact]
    public async Task After_a_compaction_a_list_cannot_go_on_where_it_was()
    {
        await server.AddNamespaceAsync("a");
        var page = await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces?limit=1");
        await server.AddNamespaceAsync("b");
        await server.CompactAsync();
        var next = "/api/v1/namespaces?limit=1&continue=" + page["metadata"]!["continue"]!.GetValue<string>();
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => server.SendAsync(HttpMethod.Get, next));
        Assert.Equal(HttpStatusCode.Gone, refused.StatusCode);
    }

    [Fact]
    public async Task A_token_is_bound_to_its_pod()
    {
        await server.AddNamespaceAsync("tokens");
        await server.AddServiceAccountAsync("tokens", "agent");
        await server.CreateNodeAsync("token-node", "10.1.0.0/24");
        var uid = await server.CreatePodAsync("tokens", "agent-1", "agent", "token-node");
        var claims = KubernetesServer.ReadClaims(await server.RequestTokenAsync("tokens", "agent", "wgmesh", ("agent-1", uid)));
        Assert.Equal("wgmesh", claims["aud"]![0]!.GetValue<string>());
        Assert.Equal(uid, claims["kubernetes.io"]!["pod"]!["uid"]!.GetValue<string>());
        Assert.True(await IsGood(server.SignToken(claims)));
        claims["exp"] = DateTimeOffset.UtcNow.AddMinutes(-5).ToUnixTimeSeconds();
        Assert.False(await IsGood(server.SignToken(claims)));
    }

    [Fact]
    public async Task A_definition_is_installed_and_its_objects_are_served()
    {
        await server.InstallAsync(Definition());
        await server.InstallAsync(Definition());
        Assert.NotNull(await server.FindAsync("/apis/example.org/v1/things"));
    }

    [Fact]
    public async Task Emptied_it_begins_anew()
    {
        await server.AddNamespaceAsync("goes");
        await server.EmptyStorageAsync();
        Assert.Null(await server.FindAsync("/api/v1/namespaces/goes"));
    }

    private async Task<bool> IsGood(string token)
    {
        var review = await server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/tokenreviews", new JsonObject
        {
            ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray("wgmesh") },
        });
        return review["status"]!["authenticated"]?.GetValue<bool>() == true;
    }

    private static JsonObject Definition() => JsonNode.Parse("""
        {
          "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.org"},
          "spec": {
            "group": "example.org", "scope": "Cluster", "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{
              "name": "v1", "served": true, "storage": true,
              "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-validations": [{"rule": "true"}], "x-kubernetes-preserve-unknown-fields": true
              }}
            }]
          }
        }
        """)!.AsObject();
}
