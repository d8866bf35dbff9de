using System.Text.Json.Nodes;

namespace WgMesh.Dashboards.Tests;

/// <summary>What a dashboard has to be so that any Grafana can import it and people can read it. That its queries answer, e2e/scenarios/dashboards.sh shows.</summary>
public class DashboardTests
{
    [Fact]
    public void There_is_one_of_the_mesh_one_of_a_node_and_one_of_the_operator() =>
        Assert.Equal(["mesh.json", "node.json", "operator.json"], Dashboard.All.Select(dashboard => dashboard.Name));

    [Fact]
    public void Everything_that_is_asked_for_is_in_the_metrics_contract() =>
        Assert.Empty(Dashboard.All.SelectMany(dashboard => dashboard.Queries.SelectMany(Query.Problems).Select(problem => $"{dashboard}: {problem}")));

    [Fact]
    public void A_dashboard_has_a_uid_of_its_own_and_no_id_of_an_instance()
    {
        Assert.All(Dashboard.All, dashboard => Assert.Null(dashboard.Json["id"]));
        Assert.Equal(["wgmesh-mesh", "wgmesh-node", "wgmesh-operator"], Dashboard.All.Select(dashboard => dashboard.Json["uid"]!.GetValue<string>()));
    }

    [Fact]
    public void Nothing_names_a_datasource_but_the_variable()
    {
        foreach (var dashboard in Dashboard.All)
        {
            var sources = Objects(dashboard.Json).Select(node => node["datasource"]).OfType<JsonObject>().ToArray();
            Assert.NotEmpty(sources);
            Assert.All(sources, source => Assert.Equal("${datasource}", source["uid"]!.GetValue<string>()));
            Assert.All(dashboard.Panels.SelectMany(panel => panel.Targets), target => Assert.NotNull(target["datasource"]));
        }
    }

    [Fact]
    public void Every_variable_that_is_used_is_there_and_the_other_way_round()
    {
        foreach (var dashboard in Dashboard.All)
        {
            var there = dashboard.Variables.Select(variable => variable["name"]!.GetValue<string>());
            var used = dashboard.Queries.SelectMany(Query.Variables).Except(["__rate_interval"]).Append("datasource");
            Assert.Equal(there.Order(), used.Distinct().Order());
        }
    }

    [Fact]
    public void A_panel_says_what_it_shows_and_in_what_unit()
    {
        foreach (var panel in Dashboard.All.SelectMany(dashboard => dashboard.Panels))
        {
            Assert.True(panel.Text("title").Length > 0, $"{panel} has no title");
            Assert.True(panel.Text("description").EndsWith('.'), $"{panel} has no description");
            Assert.True(panel.Json["fieldConfig"]!["defaults"]!["unit"] is not null, $"{panel} has no unit");
            Assert.NotEmpty(panel.Targets);
            Assert.Distinct(panel.Targets.Select(target => target["refId"]!.GetValue<string>()));
        }
    }

    [Fact]
    public void Panels_lie_side_by_side_within_the_grid()
    {
        foreach (var dashboard in Dashboard.All)
        {
            var panels = dashboard.AllPanels.ToArray();
            Assert.Distinct(panels.Select(panel => panel.Json["id"]!.GetValue<int>()));
            var cells = panels.SelectMany(panel => Cells(panel.Place)).ToArray();
            Assert.All(cells, cell => Assert.InRange(cell.X, 0, 23));
            Assert.Distinct(cells);
        }
    }

    [Fact]
    public void No_query_of_a_panel_is_there_twice() =>
        Assert.All(Dashboard.All, dashboard => Assert.Distinct(dashboard.Panels.SelectMany(panel => panel.Targets).Select(target => target["expr"]!.GetValue<string>())));

    [Theory]
    [InlineData("sum by (state) (wgmesh_device_links)", null)]
    [InlineData("rate(wgmesh_operator_plan_duration_seconds_bucket{instance=\"a\"}[5m])", null)]
    [InlineData("wgmesh_no_such_metric", "wgmesh_no_such_metric is not in docs/metrics.md")]
    [InlineData("wgmesh_operator_plan_duration_seconds", "wgmesh_operator_plan_duration_seconds is not in docs/metrics.md")]
    [InlineData("wgmesh_agent_faults{peer=\"a\"}", "wgmesh_agent_faults has no label peer")]
    [InlineData("sum by (peer) (wgmesh_agent_faults)", "nothing that is asked for has a label peer")]
    public void The_check_of_queries_tells_right_from_wrong(string query, string? problem) =>
        Assert.Equal(problem is null ? [] : [problem], Query.Problems(query));

    private static IEnumerable<(int X, int Y)> Cells((int X, int Y, int Width, int Height) place) =>
        from x in Enumerable.Range(place.X, place.Width)
        from y in Enumerable.Range(place.Y, place.Height)
        select (x, y);

    private static IEnumerable<JsonObject> Objects(JsonNode? node) => node switch
    {
        JsonObject found => found.SelectMany(member => Objects(member.Value)).Prepend(found),
        JsonArray array => array.SelectMany(Objects),
        _ => [],
    };
}
