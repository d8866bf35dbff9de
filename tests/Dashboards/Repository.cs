namespace WgMesh.Dashboards.Tests;

/// <summary>The files that are tested.</summary>
internal static class Repository
{
    /// <summary>The folder of WgMesh.sln.</summary>
    internal static readonly string Root = FindRoot();

    internal static readonly string Alerts = At("deploy", "helm", "wgmesh", "alerts", "wgmesh.yaml");

    internal static readonly string Tests = At("tests", "Dashboards");

    internal static string At(params string[] path) => Path.Combine([Root, .. path]);

    private static string FindRoot()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "WgMesh.sln")))
        {
            root = root.Parent ?? throw new DirectoryNotFoundException("No WgMesh.sln above the tests.");
        }

        return root.FullName;
    }
}
