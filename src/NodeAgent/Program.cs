using System.CommandLine;
using WgMesh.NodeAgent;
using WgMesh.NodeAgent.Commands;

using var termination = new Termination();
var root = new RootCommand("The node agent of WgMesh: carries a node's packets through WireGuard tunnels, in userspace.")
{
    RunCommand.Create(),
    DeviceCommand.Create(),
    CleanupCommand.Create(),
};

try
{
    // signals are ours: the library would begin to listen for them only after a command's first await
    var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
    return await root.Parse(DeviceCommand.FromWgQuick(args)).InvokeAsync(configuration, termination.Token);
}
catch (Exception e) when (e is AgentException or IOException or UnauthorizedAccessException or PlatformNotSupportedException)
{
    await Console.Error.WriteLineAsync($"wgmesh-agent: {e.Message}");
    return 1;
}
