using System.Reflection;

namespace WgMesh.NodeAgent;

/// <summary>The version that the build was given.</summary>
internal static class AgentVersion
{
    /// <summary>Such as <c>0.1.0</c>, without the commit that may follow a plus sign.</summary>
    internal static string Text { get; } =
        typeof(AgentVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
