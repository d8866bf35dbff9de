using System.Text.RegularExpressions;
using WgMesh.Kubernetes;

namespace WgMesh.Crds.Tests;

/// <summary>README.md and docs/: what they lead to is there, and the resources that they show are taken.</summary>
public sealed partial class PagesTests
{
    private static readonly string Root = FindRoot();

    private static IEnumerable<string> Paths =>
        ["README.md", .. Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Select(path => Path.GetRelativePath(Root, path)).Order(StringComparer.Ordinal)];

    public static TheoryData<string> Pages => [.. Paths];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_link_within_the_project_leads_somewhere(string page)
    {
        foreach (Match link in Link().Matches(WithoutCode(Read(page))))
        {
            var target = link.Groups[1].Value;
            if (target.Contains("://", StringComparison.Ordinal))
                continue;

            var parts = target.Split('#', 2);
            var path = parts[0].Length == 0 ? page : Path.GetRelativePath(Root, Path.Combine(Root, Path.GetDirectoryName(page)!, parts[0]));
            Assert.True(Path.Exists(Path.Combine(Root, path)), $"{page}: {target}: there is no {path}");
            if (parts.Length == 2)
                Assert.True(Anchors(path).Contains(parts[1]), $"{page}: {target}: {path} has no such heading");
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_resource_that_is_shown_is_taken(string page)
    {
        foreach (var block in YamlBlocks(Read(page)).Where(block => OwnKind().IsMatch(block)))
        {
            var set = ManifestReader.Read([ManifestFile.Parse(page, block)]);
            Assert.True(set.Problems.Count == 0, $"{string.Join('\n', set.Problems)}\nin\n{block}");
            Assert.Equal(OwnKind().Count(block), set.Peers.Count + (set.Mesh is null ? 0 : 1));
        }
    }

    [Fact]
    public void There_is_something_to_check()
    {
        var pages = Paths.Select(Read).ToList();
        Assert.True(pages.Sum(page => Link().Count(WithoutCode(page))) > 20, "the links were not found");
        Assert.True(pages.SelectMany(YamlBlocks).Count(block => OwnKind().IsMatch(block)) > 10, "the resources were not found");
        Assert.Contains("how-many-series", Anchors("docs/metrics.md"));
    }

    [Fact]
    public void Every_page_is_listed_in_the_README()
    {
        var targets = Link().Matches(Read("README.md")).Select(link => link.Groups[1].Value).ToHashSet();
        Assert.DoesNotContain(Paths, page => page != "README.md" && !targets.Contains(page));
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(Root, page));

    private static string WithoutCode(string text) => CodeSpan().Replace(Fence().Replace(text, ""), "");

    private static IEnumerable<string> YamlBlocks(string text) =>
        Fence().Matches(text).Where(fence => fence.Groups[1].Value == "yaml").Select(fence => fence.Groups[2].Value);

    // as GitHub makes them
    private static HashSet<string> Anchors(string page) =>
        [.. Heading().Matches(Fence().Replace(Read(page), "")).Select(heading => NotInAnchors().Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'))];

    private static string FindRoot()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
            root = root.Parent ?? throw new DirectoryNotFoundException("No WgMesh.sln above the tests.");
        return root.FullName;
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```(\w*)\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"(?<!`)`[^`\n]+`(?!`)(?!\])")] // but for those that are the text of a link
    private static partial Regex CodeSpan();

    [GeneratedRegex(@"^kind: WireGuard(Peer|Mesh)\b", RegexOptions.Multiline)]
    private static partial Regex OwnKind();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchors();
}
