using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Tests.Shared;

/// <summary>What stands in YAML, on a server.</summary>
public static class KubernetesManifests
{
    /// <summary>The objects, to be changed as one likes.</summary>
    public static IEnumerable<JsonObject> Documents(string yaml) =>
        ManifestFile.Parse("test.yaml", yaml).Manifests.Select(manifest => manifest.Content.DeepClone().AsObject());

    /// <summary>Makes all objects, which are not there yet.</summary>
    public static async Task CreateAllAsync(this KubernetesServer server, string yaml)
    {
        foreach (var item in Documents(yaml))
            await server.SendAsync(HttpMethod.Post, PathOf(item), item);
    }

    private static string PathOf(JsonObject item)
    {
        var version = item["apiVersion"]!.GetValue<string>();
        var space = item["metadata"]!["namespace"]?.GetValue<string>();
        var plural = string.Concat(item["kind"]!.GetValue<string>().Select(char.ToLowerInvariant)) + "s";
        return (version.Contains('/', StringComparison.Ordinal) ? $"/apis/{version}" : $"/api/{version}")
            + (space is null ? "" : $"/namespaces/{space}")
            + $"/{plural}";
    }
}
