using System.Text.RegularExpressions;

namespace WgMesh.Engine.Tests;

/// <summary>docs/protocol.md names the test of every rule; what it names has to be there.</summary>
public partial class DocsTests
{
    private static readonly string Root = FindRoot();

    [Fact]
    public void Every_rule_names_a_test()
    {
        var rows = Rows();
        Assert.True(rows.Count > 100, "the tables were not found");
        Assert.Empty(rows.Where(row => row.Tests.Count == 0).Select(row => row.Line));
    }

    [Fact]
    public void Every_test_that_is_named_exists()
    {
        var missing = Rows().SelectMany(row => row.Tests).Distinct().Where(test => !Exists(test)).ToArray();
        Assert.True(missing.Length == 0, $"docs/protocol.md names tests that are not there:\n{string.Join('\n', missing)}");
    }

    [Fact]
    public void Every_numbered_rule_has_a_row()
    {
        var rows = Rows();
        Assert.All(Enumerable.Range(1, 14), number => Assert.Contains(rows, row => row.Rule.StartsWith($"S{number}:", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("tests/Engine/DocsTests.Every_test_that_is_named_exists", true)]
    [InlineData("tests/Engine/DocsTests.FindRoot", false)] // not a test
    [InlineData("tests/Engine/DocsTests.Every_test_that_is_named", false)]
    [InlineData("tests/Engine/NoTests.Every_test_that_is_named_exists", false)]
    public void The_search_tells_a_test_from_none(string name, bool expected) => Assert.Equal(expected, Exists(name));

    private static List<(string Line, string Rule, List<string> Tests)> Rows() =>
        [.. from line in File.ReadLines(Path.Combine(Root, "docs", "protocol.md"))
            where line.StartsWith('|')
            let cells = line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray()
            where cells.Length == 2 && cells[0] != "rule" && !cells[0].StartsWith("---", StringComparison.Ordinal)
            select (line, cells[0], TestName().Matches(cells[1]).Select(match => match.Groups[1].Value).ToList())];

    private static bool Exists(string test)
    {
        var dot = test.IndexOf('.', StringComparison.Ordinal);
        var file = Path.Combine(Root, test[..dot] + ".cs");
        if (!File.Exists(file))
        {
            return false;
        }

        var lines = File.ReadAllLines(file);
        var declaration = Array.FindIndex(lines, line => Regex.IsMatch(line, $@"^    public (async )?(void|Task) {test[(dot + 1)..]}\("));
        return declaration > 0 && lines[..declaration].Reverse().TakeWhile(line => line.Length > 0 && line is not "    }").Any(line => TestAttribute().IsMatch(line));
    }

    private static string FindRoot()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
        {
            root = root.Parent ?? throw new DirectoryNotFoundException("No WgMesh.sln above the tests.");
        }

        return root.FullName;
    }

    [GeneratedRegex(@"`(tests/[\w/]+\.\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^    \[(Fact|Theory)\b")]
    private static partial Regex TestAttribute();
}
