using System.CommandLine;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.NodeAgent.Host;

namespace WgMesh.NodeAgent.Commands;

/// <summary><c>wgmesh-agent cleanup</c>: leaves a host as if there had never been an agent, but for its state folder.</summary>
internal static class CleanupCommand
{
    internal static Command Create()
    {
        var @interface = new Option<string>("--interface")
        {
            Description = "Name of the tunnel interface.",
            HelpName = "NAME",
            DefaultValueFactory = _ => InterfaceName.Default,
        };
        @interface.Validators.Add(InterfaceName.Validate);
        var command = new Command("cleanup", "Removes the interface and every route of WgMesh from this host. The key and the cached configuration stay.")
        {
            @interface,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(@interface)));
        return command;
    }

    private static int Run(string name)
    {
        using var netlink = RouteNetlink.Open();
        var faults = new HostNetwork(netlink).Reset(name);
        foreach (var fault in faults)
        {
            Console.Error.WriteLine($"wgmesh-agent: {fault}");
        }

        return faults.IsEmpty ? 0 : 1;
    }
}
