using WgMesh.Operator.Tests.Planning;

namespace WgMesh.Operator.Tests;

/// <summary>Manifests as text.</summary>
internal static class Manifest
{
    public static string Node(string name, string podCidr, string? address = null) => $"""
        ---
        apiVersion: v1
        kind: Node
        metadata: {"{"}name: {name}{"}"}
        spec: {"{"}podCIDRs: ["{podCidr}"]{"}"}
        status: {"{"}addresses: [{(address is null ? "" : $"{{type: InternalIP, address: {address}}}")}]{"}"}

        """;

    public static string Peer(string name, int key, string spec = "") => $"""
        ---
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardPeer
        metadata: {"{"}name: {name}{"}"}
        spec: {"{"}publicKey: {Clusters.Key(key)}{(spec.Length == 0 ? "" : ", " + spec)}{"}"}

        """;

    public static string Mesh(string spec) => $"""
        ---
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardMesh
        metadata: {"{"}name: default{"}"}
        spec: {"{"}{spec}{"}"}

        """;

    public static string Secret(string name, string value) => $"""
        ---
        apiVersion: v1
        kind: Secret
        metadata: {"{"}name: {name}{"}"}
        stringData: {"{"}presharedKey: "{value}"{"}"}

        """;

    /// <summary>Puts a file in place in one step, as an editor or a mounted volume does.</summary>
    public static void Put(string path, string text)
    {
        File.WriteAllText(path + ".tmp", text);
        File.Move(path + ".tmp", path, overwrite: true);
    }
}
