using static WgMesh.Crds.Tests.Reading;

namespace WgMesh.Crds.Tests;

public sealed class ManifestReaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-reader-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_bad_object_a_bad_document_and_a_bad_file_leave_all_others_in_force()
    {
        File.WriteAllText(Path.Combine(_folder, "1.yaml"), "a: [\n");
        File.WriteAllText(Path.Combine(_folder, "2.yaml"),
            Peer($"{{publicKey: {Key}}}", "{name: a}") + "---\n" + Peer("{publicKey: AA==}", "{name: b}") + "---\nx: 'y\n---\n" + Peer($"{{publicKey: {Key}}}", "{name: c}"));
        File.WriteAllText(Path.Combine(_folder, "3.json"), """{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}""");
        File.WriteAllBytes(Path.Combine(_folder, "4.yaml"), [0xFF]);

        var set = ManifestReader.ReadFolder(_folder);

        Assert.Equal(["a", "c"], set.Peers.Select(peer => peer.Metadata.Name));
        Assert.Equal("n", Assert.Single(set.Nodes).Metadata.Name);
        Assert.Equal(
            [("1.yaml", null), ("2.yaml", null), ("2.yaml", "WireGuardPeer/b"), ("4.yaml", null)],
            set.Problems.Select(problem => (Path.GetFileName(problem.Source.File), problem.Object)));
        Assert.Equal($"{_folder}/2.yaml:13", set.SourceOf(set.Peers[1]).ToString());
    }

    [Fact]
    public void A_syntax_error_is_a_problem_with_its_place() =>
        Assert.Equal("t.yaml:2: column 1: the key \"a\" is there twice", Assert.Single(Read("a: 1\na: 2\n").Problems).ToString());

    [Fact]
    public void Other_kinds_are_noted_and_no_problem()
    {
        var set = Good("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: z}\nanything: [goes]\n---\napiVersion: apps/v1\nkind: Node\n");

        Assert.Equal(
            ["t.yaml:1: ConfigMap/z/x: v1 is not read here; the object is ignored", "t.yaml:6: Node: apps/v1 is not read here; the object is ignored"],
            set.Ignored.Select(ignored => ignored.ToString()));
    }

    [Theory]
    [InlineData("apiVersion: wgmesh.io/v1\nkind: WireGuardPeer", "apiVersion", "is \"wgmesh.io/v1\"; the version served is wgmesh.io/v1alpha1")]
    [InlineData("apiVersion: wgmesh.io\nkind: WireGuardPeer", "apiVersion", "is \"wgmesh.io\"; the version served is wgmesh.io/v1alpha1")]
    [InlineData("apiVersion: wgmesh.io/v1alpha1\nkind: WireguardPeer", "kind", "is \"WireguardPeer\"; wgmesh.io has WireGuardPeer and WireGuardMesh; did you mean WireGuardPeer?")]
    [InlineData("apiVersion: wgmesh.io/v1alpha1\nkind: Gateway", "kind", "is \"Gateway\"; wgmesh.io has WireGuardPeer and WireGuardMesh")]
    [InlineData("kind: WireGuardPeer", "apiVersion", "is missing; write apiVersion: wgmesh.io/v1alpha1 for a WireGuardPeer, v1 for a Node")]
    [InlineData("apiVersion: 1\nkind: WireGuardPeer", "apiVersion", "is missing; write apiVersion: wgmesh.io/v1alpha1 for a WireGuardPeer, v1 for a Node")]
    [InlineData("apiVersion: wgmesh.io/v1alpha1", "kind", "is missing; write, for example, kind: WireGuardPeer")]
    public void An_object_that_seems_meant_for_us_but_is_no_kind_of_ours_is_a_problem(string text, string field, string message) => Refused(text, field, message);

    [Fact]
    public void Of_two_objects_of_one_name_the_second_is_refused_and_told_where_the_first_is()
    {
        var set = Read(Peer($"{{publicKey: {Key}}}") + "---\n" + Peer($"{{publicKey: {Key}}}"));

        Assert.Single(set.Peers);
        Assert.Equal("t.yaml:6: WireGuardPeer/laptop: metadata.name: is the name of another WireGuardPeer in t.yaml:1, which is kept; remove one of the two or rename it",
            Assert.Single(set.Problems).ToString());
        Assert.Equal(2, Good("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: z}\n").Secrets.Count);
    }

    [Fact]
    public void Two_long_names_that_differ_at_the_end_are_two_objects()
    {
        var start = new string('a', 252);

        Assert.Equal(2, Good(Peer($"{{publicKey: {Key}}}", $"{{name: {start}b}}") + "---\n" + Peer($"{{publicKey: {Key}}}", $"{{name: {start}c}}")).Peers.Count);
    }

    [Fact]
    public void A_list_as_kubectl_prints_it_is_read() =>
        Assert.Equal(["a", "b"], Good($$"""
            apiVersion: v1
            items:
            - apiVersion: wgmesh.io/v1alpha1
              kind: WireGuardPeer
              metadata: {name: a}
              spec: {publicKey: {{Key}}}
            - apiVersion: wgmesh.io/v1alpha1
              kind: WireGuardPeer
              metadata: {name: b}
              spec: {publicKey: {{Key}}}
            kind: List
            metadata: {resourceVersion: ""}
            """).Peers.Select(peer => peer.Metadata.Name));

    [Fact]
    public void A_problem_stays_on_one_line()
    {
        var set = Read(Peer("{\"x\\ny\": 1, publicKey: a}", "{name: \"a\\nb\"}"));

        Assert.NotEmpty(set.Problems);
        Assert.All(set.Problems, problem => Assert.DoesNotContain('\n', problem.ToString()));
    }
}
