using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace WgMesh.Chart.Tests;

/// <summary>The pages for people who install the chart: the values that they name are there, those that they show are taken.</summary>
public sealed partial class PagesTests
{
    public static TheoryData<string> Pages => ["install.md", "peers.md", "troubleshooting.md", "security.md", "cni.md"];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_value_that_is_named_is_one_of_the_chart(string page)
    {
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Helm.Chart, "values.schema.json")))!.AsObject();
        var names = ValueName().Matches(Read(page)).Select(match => match.Groups[1].Value).Distinct().ToList();
        Assert.NotEmpty(names);
        Assert.DoesNotContain(names, name => !IsValue(schema, name));
    }

    [Fact]
    [Trait("needs", "system")]
    public async Task The_values_on_the_install_page_are_taken()
    {
        var text = ValuesFile().Match(Read("install.md")).Groups[1].Value;
        Assert.NotEmpty(text);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, text);
            await Helm.SucceedAsync(null, "template", "wgmesh", Helm.Chart, "--values", file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(Helm.Root, "docs", page));

    private static bool IsValue(JsonObject schema, string name)
    {
        var at = (JsonNode?)schema;
        foreach (var part in name.Split('.'))
        {
            if ((string?)at!["$ref"] is { } reference)
                at = schema["definitions"]![reference.Split('/')[^1]];
            at = at!["properties"]?[part];
            if (at is null)
                return false;
        }

        return true;
    }

    [GeneratedRegex(@"`((image|operator|agent|cni|mesh|crds|metrics|prometheus|dashboards)(\.[A-Za-z]+)+)(?=`|: |=)")]
    private static partial Regex ValueName();

    [GeneratedRegex(@"^```yaml\n(# values\.yaml\n.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ValuesFile();
}
