using WgMesh.Bench;

namespace WgMesh.Tunnel;

/// <summary>What makes a tunnel's end: a program that is run with an interface's name and configured by <c>wg</c>.</summary>
/// <param name="Name">As the table has it.</param>
/// <param name="Program">Path; null for no tunnel at all, which shows what the wire itself carries.</param>
/// <param name="Arguments">Before the interface's name.</param>
/// <param name="Version">With the name, as the program tells it; empty if there is no program.</param>
internal sealed record TunnelEngine(string Name, string? Program, string[] Arguments, string Version)
{
    public const string WgMesh = "wgmesh", WireGuardGo = "wireguard-go", Wire = "veth";

    public static IReadOnlyList<string> Names { get; } = [WgMesh, WireGuardGo, Wire];

    /// <summary>Builds or fetches what the name stands for.</summary>
    /// <exception cref="InvalidOperationException">It could not be had.</exception>
    public static TunnelEngine Prepare(string name)
    {
        switch (name)
        {
            case WgMesh:
                Programs.Script("e2e/publish.sh");
                var agent = Path.GetFullPath("artifacts/bin/wgmesh-agent");
                return new TunnelEngine(name, agent, ["device", "--foreground"], $"{name} {Programs.Output(agent, "--version")}");
            case WireGuardGo:
                var program = Programs.Output("e2e/wireguard-go.sh");
                return new TunnelEngine(name, program, ["--foreground"], Programs.Output(program, "--version").Split('\n')[0]);
            default:
                return new TunnelEngine(name, null, [], "");
        }
    }
}
