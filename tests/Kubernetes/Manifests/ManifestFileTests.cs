using System.Text;
using WgMesh.Tests.Shared;

namespace WgMesh.Kubernetes.Tests;

public sealed class ManifestFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wgmesh-manifests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static ManifestFile Parse(string text) => ManifestFile.Parse("t.yaml", text);

    private static ManifestParseError ErrorOf(string text) => Assert.Single(Parse(text).Errors);

    private string Write(string name, byte[] content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    [Fact]
    public void Every_document_of_a_file_is_an_object_with_its_line()
    {
        var file = Parse("# first\na: 1\n---\n\nb: 2\n...\n--- {c: 3}\n");

        Assert.Empty(file.Errors);
        Assert.Equal(["t.yaml:2", "t.yaml:5", "t.yaml:7"], file.Manifests.Select(m => m.Source.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("---\n---\n# nothing\n---\n")]
    [InlineData("--- ~\n--- null\n")]
    public void Empty_documents_are_skipped(string text)
    {
        Assert.Empty(Parse(text).Errors);
        Assert.Empty(Parse(text).Manifests);
    }

    [Fact]
    public void JSON_is_accepted_with_tabs_escapes_and_surrogate_pairs()
    {
        var file = ManifestFile.Parse("t.json", "{\n\t\"a\":\t\"b\\/c\\ud83d\\ude00\",\r\n\t\"n\": [1, 2.5, -3, true, null]\n}");

        Assert.Empty(file.Errors);
        var content = file.Manifests.Single().Content;
        Assert.Equal("b/c\U0001F600", (string)content["a"]!);
        Assert.Equal("[1,2.5,-3,true,null]", content["n"]!.ToJsonString());
    }

    [Fact]
    public void A_list_is_expanded_and_every_item_keeps_its_line()
    {
        var file = Parse("apiVersion: v1\nkind: List\nitems:\n- {kind: A}\n- kind: List\n  items:\n  - kind: B\n");

        Assert.Empty(file.Errors);
        Assert.Equal([("A", 4), ("B", 7)], file.Manifests.Select(m => ((string)m.Content["kind"]!, m.Source.Line)));
    }

    [Fact]
    public void The_items_of_a_list_of_one_kind_get_its_kind_and_version()
    {
        var file = Parse("apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardPeerList\nitems:\n- metadata: {name: a}\n");

        Assert.Equal("""{"metadata":{"name":"a"},"kind":"WireGuardPeer","apiVersion":"wgmesh.io/v1alpha1"}""", file.Manifests.Single().Content.ToJsonString());
    }

    [Theory]
    [InlineData("kind: List\n", 0, 0)]
    [InlineData("kind: List\nitems: {}\n", 0, 1)]
    [InlineData("kind: List\nitems: [1, {a: b}, ~]\n", 1, 2)]
    [InlineData("kind: AllowList\n", 1, 0)]
    public void A_list_with_wrong_items_loses_only_those(string text, int manifests, int errors)
    {
        Assert.Equal(manifests, Parse(text).Manifests.Count);
        Assert.Equal(errors, Parse(text).Errors.Count);
    }

    [Fact]
    public void Every_node_knows_its_line()
    {
        var manifest = Parse("---\na:\n  b:\n  - x\n  - c: 1\n").Manifests.Single();

        Assert.Equal(4, manifest.SourceOf(manifest.Content["a"]!["b"]![0]).Line);
        Assert.Equal(5, manifest.SourceOf(manifest.Content["a"]!["b"]![1]!["c"]).Line);
        Assert.Equal(2, manifest.SourceOf(null).Line);
    }

    [Theory]
    [InlineData("a: [1\n", 2, 1)]
    [InlineData("a: 'x\n", 1, 4)]
    [InlineData("a: b: c\n", 1, 5)]
    [InlineData("\n\n  a: 1\n b: 2\n", 4, 2)]
    [InlineData("a:\n\t- b\n", 1, 1)]
    [InlineData("%YAML 9\n", 1, 1)]
    public void A_syntax_error_is_a_value_with_line_column_and_reason(string text, int line, int column)
    {
        var error = ErrorOf(text);

        Assert.Equal(("t.yaml", line, column), (error.File, error.Line, error.Column));
        Assert.NotEmpty(error.Reason);
        Assert.StartsWith($"t.yaml:{line}:{column}: ", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: 1\n---\nb: 'x\n---\nc: 3\n")]
    [InlineData("a: 1\n---\nb: [1\n---\nc: 3\n")]
    [InlineData("a: 1\n---\nb: 1\nb: 2\n---\nc: 3\n")]
    [InlineData("a: 1\r\n---\r\nb: b: b\r\n--- # next\r\nc: 3\r\n")]
    [InlineData("a: 1\n---\n- just a list\n---\nc: 3\n")]
    [InlineData("a: 1\n---\njust text\n---\nc: 3\n")]
    public void The_documents_around_a_bad_one_stay_usable_and_keep_their_lines(string text)
    {
        var file = Parse(text);

        Assert.InRange(Assert.Single(file.Errors).Line, 3, 4);
        Assert.Equal(["a", "c"], file.Manifests.Select(m => m.Content.Single().Key));
        Assert.Equal(text.Split('\n').ToList().FindIndex(line => line.StartsWith('c')) + 1, file.Manifests[1].Source.Line);
    }

    [Fact]
    public void A_duplicate_key_is_an_error_that_names_it()
    {
        var error = ErrorOf("a:\n  b: 1\n  b: 2\n");

        Assert.Equal((3, 3, "the key \"b\" is there twice"), (error.Line, error.Column, error.Reason));
    }

    [Fact]
    public void An_alias_stands_for_a_copy_of_its_anchor()
    {
        var content = Parse("a: &x {k: [1, two]}\nb: *x\nc: &e ~\nd: *e\n").Manifests.Single().Content;

        Assert.Equal("""{"a":{"k":[1,"two"]},"b":{"k":[1,"two"]},"c":null,"d":null}""", content.ToJsonString());
    }

    [Fact]
    public void Merge_keys_fill_in_what_a_mapping_does_not_say_itself()
    {
        var content = Parse("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\nw: {<<: *x}\nq: {\"<<\": 1}\n").Manifests.Single().Content;

        Assert.Equal("""{"a":0,"b":1,"c":2}""", content["z"]!.ToJsonString());
        Assert.Equal("""{"a":1,"b":1}""", content["w"]!.ToJsonString());
        Assert.Equal("<<", content["q"]!.AsObject().Single().Key);
    }

    [Theory]
    [InlineData("a: *x\n", "the alias *x has no anchor before it")]
    [InlineData("a: &x [*x]\n", "the alias *x has no anchor before it")]
    [InlineData("a: &x 1\n---\nb: *x\n", "the alias *x has no anchor before it")]
    [InlineData("a: {<<: 1}\n", "\"<<\" takes a mapping or a list of mappings")]
    public void An_alias_or_merge_without_a_right_anchor_is_an_error(string text, string reason) => Assert.Equal(reason, ErrorOf(text).Reason);

    [Fact]
    public void Aliases_that_expand_without_measure_are_an_error()
    {
        var text = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 12; i++)
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");

        Assert.Contains("expand to more than 100000 values", ErrorOf(text.ToString()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_that_nest_without_measure_are_an_error()
    {
        var text = new StringBuilder("a0: &a0 [x]\n");
        for (var i = 1; i < 200; i++)
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"a{i}: &a{i} [*a{i - 1}]\n");

        Assert.Contains("nested more than 100 levels", ErrorOf(text.ToString()).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData('[', "")]
    [InlineData('{', "")]
    [InlineData('-', " ")]
    public void Deep_nesting_is_an_error_and_found_at_once(char open, string space)
    {
        var text = string.Concat(Enumerable.Repeat(open + space, 200_000));

        var took = ThreadClock.Measure(() => Assert.NotEmpty(ErrorOf(text).Reason));

        Assert.True(took < TimeSpan.FromSeconds(5), $"took {took}");
    }

    [Fact]
    public void A_hundred_levels_are_accepted()
    {
        Assert.Empty(Parse($"a: {new string('[', 98)}1{new string(']', 98)}").Errors);
        Assert.Contains("nested", ErrorOf($"a: {new string('[', 99)}1{new string(']', 99)}").Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void After_a_hundred_errors_the_rest_is_not_read()
    {
        var file = Parse(string.Concat(Enumerable.Repeat("---\na: 'x\n", 5000)) + "---\nlast: 1\n");

        Assert.Equal(ManifestFile.MaxErrors + 1, file.Errors.Count);
        Assert.Contains("the rest of the file is not read", file.Errors[^1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_control_character_is_an_error_and_does_not_end_the_file_unsaid()
    {
        var error = ErrorOf("a: 1\nb: \u0000\n---\nc: 1\n");

        Assert.Equal((2, 4, "the control character U+0000 is not allowed"), (error.Line, error.Column, error.Reason));
    }

    [Fact]
    public void A_byte_order_mark_is_no_part_of_the_first_key()
    {
        var path = Write("a.yaml", [0xEF, 0xBB, 0xBF, .. "a: 1\n"u8]);

        Assert.Equal("a", ManifestFile.Read(path).Manifests.Single().Content.Single().Key);
    }

    [Fact]
    public void Lines_may_end_in_any_way()
    {
        Assert.Equal([1, 4], Parse("a: 1\r\n\r\n---\r\nb: 2\r\n").Manifests.Select(m => m.Source.Line));
        Assert.Equal([1, 3], Parse("a: 1\r---\rb: 2\r").Manifests.Select(m => m.Source.Line));
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_an_error_of_the_file()
    {
        Assert.Contains("cannot be read", Assert.Single(ManifestFile.Read(Path.Combine(_folder, "none.yaml")).Errors).Reason, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Single(ManifestFile.Read(_folder).Errors).Reason, StringComparison.Ordinal);
        var latin1 = Assert.Single(ManifestFile.Read(Write("l.yaml", [(byte)'a', (byte)':', 0x20, 0xFC])).Errors);
        Assert.Equal($"{_folder}/l.yaml: the file is not UTF-8", latin1.ToString());
    }

    [Fact]
    public void A_file_over_the_limit_is_refused_whatever_its_length_claims_to_be()
    {
        var path = Write("big.yaml", new byte[ManifestFile.MaxBytes + 1]);
        Assert.Contains("larger than 16 MiB", Assert.Single(ManifestFile.Read(path).Errors).Reason, StringComparison.Ordinal);
        Assert.Contains("larger than 16 MiB", Assert.Single(ManifestFile.Read("/dev/zero").Errors).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_manifests_of_a_folder_are_its_yaml_and_json_files_by_name()
    {
        foreach (var name in (string[])["b.yml", "a.yaml", "c.json", "d.txt", ".hidden.yaml", "e.yaml~"])
            Write(name, []);
        Directory.CreateDirectory(Path.Combine(_folder, "sub.yaml"));

        Assert.Equal(["a.yaml", "b.yml", "c.json"], ManifestFile.FindIn(_folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_key_in_a_wrong_place_is_not_shown_and_a_message_stays_on_one_line()
    {
        var key = Convert.ToBase64String(new byte[31].Append((byte)9).ToArray());

        Assert.Equal("the key (a key, not shown) is there twice", ErrorOf($"{key}: 1\n{key}: 2\n").Reason);
        Assert.Equal("the key \"x\\u000ay\" is there twice", ErrorOf("{\"x\\ny\": 1, \"x\\ny\": 2}").Reason);
        Assert.Equal($"the key \"{new string('k', 64)}...\" is there twice", ErrorOf($"{new string('k', 99)}: 1\n{new string('k', 99)}: 2\n").Reason);
    }
}
