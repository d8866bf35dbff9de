using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace WgMesh.Dashboards.Tests;

/// <summary>A dashboard of deploy/helm/wgmesh/dashboards.</summary>
internal sealed record Dashboard(string Name, JsonNode Json)
{
    internal static readonly string Folder = Repository.At("deploy", "helm", "wgmesh", "dashboards");

    internal static ImmutableArray<Dashboard> All { get; } =
        [.. Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal).Select(file => new Dashboard(Path.GetFileName(file), JsonNode.Parse(File.ReadAllText(file))!))];

    /// <summary>Those that show something.</summary>
    internal IEnumerable<Panel> Panels => AllPanels.Where(panel => panel.Type != "row");

    /// <summary>Headings included.</summary>
    internal IEnumerable<Panel> AllPanels => Json["panels"]!.AsArray().Select(panel => new Panel(this, panel!));

    internal IEnumerable<JsonNode> Variables => Json["templating"]!["list"]!.AsArray().Select(variable => variable!);

    /// <summary>Every query: of panels, of variables, of annotations.</summary>
    internal IEnumerable<string> Queries =>
    [
        .. Panels.SelectMany(panel => panel.Targets).Select(target => target["expr"]!.GetValue<string>()),
        .. Variables.Where(variable => variable["type"]!.GetValue<string>() == "query").Select(variable => variable["query"]!["query"]!.GetValue<string>()),
        .. Json["annotations"]!["list"]!.AsArray().Select(annotation => annotation!["expr"]!.GetValue<string>()),
    ];

    public override string ToString() => Name;
}

/// <summary>A panel, or a heading.</summary>
internal sealed record Panel(Dashboard Dashboard, JsonNode Json)
{
    internal string Type => Text("type");

    internal IEnumerable<JsonNode> Targets => Json["targets"]!.AsArray().Select(target => target!);

    internal (int X, int Y, int Width, int Height) Place
    {
        get
        {
            var place = Json["gridPos"]!;
            return (place["x"]!.GetValue<int>(), place["y"]!.GetValue<int>(), place["w"]!.GetValue<int>(), place["h"]!.GetValue<int>());
        }
    }

    internal string Text(string field) => Json[field]?.GetValue<string>() ?? "";

    public override string ToString() => $"{Dashboard.Name}: {Text("title")}";
}
