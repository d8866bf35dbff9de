using WgMesh.Kubernetes;

namespace WgMesh.Crds.Tests;

/// <summary>Short ways to put an object into a manifest and to look at what comes of it.</summary>
internal static class Reading
{
    public const string Key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    public static ManifestSet Read(string text) => ManifestReader.Read([ManifestFile.Parse("t.yaml", text)]);

    public static string Peer(string spec, string metadata = "{name: laptop}") =>
        $"apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardPeer\nmetadata: {metadata}\nspec: {spec}\n";

    public static string PeerWith(string fields) => Peer($"{{publicKey: {Key}, {fields}}}");

    public static string Mesh(string spec, string metadata = "{name: default}") =>
        $"apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardMesh\nmetadata: {metadata}\nspec: {spec}\n";

    public static WireGuardPeer ReadPeer(string text) => Assert.Single(Good(text).Peers);

    public static WireGuardMesh ReadMesh(string text) => Good(text).Mesh!;

    public static ManifestSet Good(string text)
    {
        var set = Read(text);
        Assert.Empty(set.Problems);
        return set;
    }

    /// <summary>The one problem of a text that holds one object, which is therefore refused.</summary>
    public static ManifestProblem ProblemOf(string text)
    {
        var set = Read(text);
        Assert.Empty(set.Peers);
        Assert.Empty(set.Nodes);
        Assert.Empty(set.Secrets);
        Assert.Null(set.Mesh);
        return Assert.Single(set.Problems);
    }

    public static void Refused(string text, string field, string message)
    {
        var problem = ProblemOf(text);
        Assert.Equal((field, message), (problem.Field, problem.Message));
    }
}
