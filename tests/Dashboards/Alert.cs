using System.Collections.Immutable;
using YamlDotNet.RepresentationModel;

namespace WgMesh.Dashboards.Tests;

/// <summary>A rule of deploy/helm/wgmesh/alerts/wgmesh.yaml.</summary>
internal sealed record Alert(string Name, string Expression, string For, YamlMappingNode Labels, YamlMappingNode Annotations)
{
    internal static ImmutableArray<Alert> All { get; } =
    [
        .. from yaml in Sequence(Load(Repository.Alerts), "groups")
           from rule in Sequence(yaml, "rules")
           select new Alert(Text(rule, "alert"), Text(rule, "expr"), Text(rule, "for"), (YamlMappingNode)rule["labels"], (YamlMappingNode)rule["annotations"]),
    ];

    /// <summary>Every time that a test asks for an alert, and how many it expects.</summary>
    internal static ImmutableArray<(string Alert, int Expected)> Tested { get; } =
    [
        .. from file in Directory.EnumerateFiles(Repository.Tests, "*.test.yaml")
           from test in Sequence(Load(file), "tests")
           where ((YamlMappingNode)test).Children.ContainsKey("alert_rule_test")
           from question in Sequence(test, "alert_rule_test")
           select (Text(question, "alertname"), Sequence(question, "exp_alerts").Count()),
    ];

    internal string Annotation(string name) => Text(Annotations, name);

    public override string ToString() => Name;

    private static YamlNode Load(string file)
    {
        var stream = new YamlStream();
        using var reader = File.OpenText(file);
        stream.Load(reader);
        return stream.Documents.Single().RootNode;
    }

    private static IEnumerable<YamlNode> Sequence(YamlNode node, string name) => (YamlSequenceNode)node[name];

    private static string Text(YamlNode node, string name) => ((YamlScalarNode)node[name]).Value!;
}
