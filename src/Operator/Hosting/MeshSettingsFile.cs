using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Operator.Hosting;

/// <summary>The settings of the mesh that are installed with the operator: a manifest of WireGuardMesh <c>default</c>.</summary>
internal static class MeshSettingsFile
{
    /// <summary>The spec, with the fields that the file names and no others.</summary>
    /// <exception cref="InvalidDataException">The file is not that, or says what cannot be.</exception>
    public static JsonObject Read(string path)
    {
        var file = ManifestFile.Read(path);
        var set = ManifestReader.Read([file]);
        if (set.Problems.Count > 0)
            throw new InvalidDataException($"--mesh-settings: {string.Join("\n", set.Problems)}");

        return set.Mesh is not null && file.Manifests is [var manifest]
            ? manifest.Content["spec"]?.DeepClone().AsObject() ?? []
            : throw new InvalidDataException($"--mesh-settings: {path} is to hold WireGuardMesh {WireGuardMesh.DefaultName}, and nothing else.");
    }
}
