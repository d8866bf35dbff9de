using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

public class YamlPropertyTests
{
    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.Elements("", "~", "null", "yes", "n", "1", "0x1F", "010", "1e3", "-", "---", "...", "a: b", "# c", "<<", "*a", "&a", "!t", "a\nb\n", " lead", "trail ",
            "'", "\"", "\\", "%", "@", "`", "{", "]", "\t", "é", "\u2028", "\U0001F600", "2026-01-01", ":", "?", "- a", "=", "\uFEFF", "\u0085", "a\rb", "\u0001", "x:"),
        ArbMap.Default.GeneratorFor<NonNull<string>>().Select(s => s.Get).Where(s => s.All(c => !char.IsSurrogate(c))));

    private static Gen<JsonNode?> Tree(int size)
    {
        var leaf = Gen.OneOf(
            Text.Select(s => (JsonNode?)JsonValue.Create(s)),
            ArbMap.Default.GeneratorFor<long>().Select(n => (JsonNode?)JsonValue.Create(n)),
            ArbMap.Default.GeneratorFor<bool>().Select(b => (JsonNode?)JsonValue.Create(b)),
            Gen.Constant<JsonNode?>(null));
        if (size <= 1)
            return leaf;

        return Gen.OneOf(
            leaf,
            Gen.ListOf(Tree(size / 3), 3).Select(items => (JsonNode?)new JsonArray([.. items])),
            Members(size / 3).Select(members => (JsonNode?)members));
    }

    private static Gen<JsonObject> Members(int size) =>
        Gen.ListOf(Gen.Zip(Text, Tree(size), (key, value) => KeyValuePair.Create(key, value)), 4)
            .Select(members => new JsonObject(members.DistinctBy(member => member.Key)));

    [Fact]
    public void What_is_written_as_YAML_reads_back_the_same() =>
        Prop.ForAll(Members(30).ToArbitrary(), content =>
        {
            var file = ManifestFile.Parse("t.yaml", YamlWriter.Write(content));
            return file.Errors.Count == 0
                && (content.ContainsKey("kind") || JsonNode.DeepEquals(content, file.Manifests.Single().Content));
        }).Check(Properties.Config(2000));

    [Fact]
    public void A_text_with_the_signs_of_anchors_and_aliases_in_it_is_a_text()
    {
        var content = new JsonObject { ["a"] = new JsonObject { ["6Y?TQK *,<rf&"] = new JsonArray(20, "010", true) } };
        Assert.True(JsonNode.DeepEquals(content, ManifestFile.Parse("t.yaml", YamlWriter.Write(content)).Manifests.Single().Content));
    }

    [Fact]
    public void No_text_makes_the_parser_throw() =>
        Prop.ForAll(ArbMap.Default.ArbFor<NonNull<string>>(), text => ManifestFile.Parse("t.yaml", text.Get).Path == "t.yaml")
            .Check(Properties.Config(2000));

    [Fact]
    public void No_sequence_of_YAML_tokens_makes_the_parser_throw()
    {
        var token = Gen.Elements("a", "b: ", "- ", "\n", "\n  ", "\n- ", "[", "]", "{", "}", ",", ": ", "? ", "&x ", "*x ", "!t ", "!!int ", "!<", ">", "'", "\"", "|", "|2", "\n---\n",
            "\n...\n", "%YAML 1.2", "%TAG ! x:", "<<: ", "#", "\t", "1", "~", "\\u", "\\ud83d", "\\UFFFFFFFF", "\uD800", "\u2028", "\r", "kind: List\nitems: ", "!");
        Prop.ForAll(Gen.ListOf(token).Select(string.Concat).ToArbitrary(), text => ManifestFile.Parse("t.yaml", text).Path == "t.yaml")
            .Check(Properties.Config(5000).WithEndSize(60));
    }
}
