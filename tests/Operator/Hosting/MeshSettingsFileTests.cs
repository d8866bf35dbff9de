using WgMesh.Operator.Hosting;

namespace WgMesh.Operator.Tests.Hosting;

public sealed class MeshSettingsFileTests : IDisposable
{
    private const string Head = "apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardMesh\nmetadata: {name: default}\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("spec: {listenPort: 51000}", """{"listenPort":51000}""")]
    [InlineData("spec: {}", "{}")]
    [InlineData("", "{}")]
    public void Fields_that_are_not_named_are_not_there(string spec, string expected) => Assert.Equal(expected, Read(Head + spec).ToJsonString());

    [Theory]
    [InlineData(Head + "spec: {listenPort: 0}", "spec.listenPort")]
    [InlineData(Head + "spec: {podCIDRs: [10.0.0.1/8]}", "10.0.0.1/8 has host bits")]
    [InlineData(Head + "---\napiVersion: v1\nkind: Node\nmetadata: {name: a}\n", "is to hold WireGuardMesh default, and nothing else")]
    [InlineData("", "is to hold WireGuardMesh default, and nothing else")]
    public void What_cannot_be_is_refused_by_name(string text, string expected)
    {
        var error = Assert.Throws<InvalidDataException>(() => Read(text));
        Assert.StartsWith("--mesh-settings: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private System.Text.Json.Nodes.JsonObject Read(string text)
    {
        File.WriteAllText(_folder["mesh.yaml"], text);
        return MeshSettingsFile.Read(_folder["mesh.yaml"]);
    }
}
