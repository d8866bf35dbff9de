using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Asks a plugin which versions of the CNI specification it speaks.</summary>
internal static class PluginVersion
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Why a plugin is no use for our configuration.</summary>
    /// <returns>Null: it is one; or it gives no answer here, which says nothing, as the node's libraries are not the agent's.</returns>
    internal static string? WhyTooOld(string path)
    {
        try
        {
            var start = new ProcessStartInfo(path);
            start.Environment.Clear();
            start.Environment["CNI_COMMAND"] = "VERSION";
            var (_, answer, _) = Subprocess.Run(start, $"{{\"cniVersion\":\"{Conflist.SpecVersion}\"}}", Limit);
            using var json = JsonDocument.Parse(answer);
            List<string> spoken = [.. json.RootElement.GetProperty("supportedVersions").EnumerateArray().Select(version => version.GetString()!)];
            return spoken.Count == 0 || spoken.Contains(Conflist.SpecVersion)
                ? null
                : $"cni: {path} speaks CNI {spoken.MaxBy(version => Version.TryParse(version, out var parsed) ? parsed : new Version())} at most, "
                    + $"and the mesh's configuration is of {Conflist.SpecVersion}: install newer reference plugins, 1.0 or later";
        }
        catch (Exception e) when (e is Win32Exception or TimeoutException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }
}
