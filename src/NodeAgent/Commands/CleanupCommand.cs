using System.CommandLine;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.NodeAgent.Cni;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Handover;
using WgMesh.NodeAgent.Host;
using WgMesh.NodeAgent.Sync;

namespace WgMesh.NodeAgent.Commands;

/// <summary><c>wgmesh-agent cleanup</c>: leaves a host as if there had never been an agent, but for the key.</summary>
internal static class CleanupCommand
{
    internal static Command Create()
    {
        var @interface = InterfaceName.Option();
        var state = FolderOptions.State();
        var run = FolderOptions.Run();
        var cniConf = FolderOptions.CniConf("Folder in which the container runtime looks for CNI configurations.", "/etc/cni/net.d");
        var cniBin = FolderOptions.CniBin();
        var cniStore = FolderOptions.CniStore();
        var command = new Command(
            "cleanup",
            "Takes everything of WgMesh off this host: interface, routes, pod network, and what is kept on disk. Only the private key stays: with it "
            + "the node is the same again when an agent is started. Pods that the mesh connected are cut off.")
        {
            @interface, state, run, cniConf, cniBin, cniStore,
        };
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(@interface),
            parsed.GetRequiredValue(state),
            new PodNetworkOptions
            {
                ConfFolder = parsed.GetValue(cniConf),
                BinFolder = parsed.GetRequiredValue(cniBin),
                RunFolder = parsed.GetRequiredValue(run),
                StoreFolder = parsed.GetRequiredValue(cniStore),
                Masquerade = true,
            }));
        return command;
    }

    private static int Run(string @interface, string stateFolder, PodNetworkOptions options)
    {
        RunFolder.Secure(options.RunFolder);
        using var alone = AgentLock.TryTake(options.RunFolder, make: true)
            ?? throw new AgentException(
                $"An agent runs on this node: it holds {Path.Combine(options.RunFolder, AgentLock.FileName)}. End it first (its service, or its pod by "
                + "uninstalling the chart), and clean up then.");

        var pods = new PodNetwork(options);
        var faults = pods.Remove();
        if (pods.LeftUnseen is { } unseen)
        {
            Console.Error.WriteLine($"wgmesh-agent: {unseen}");
        }

        if (faults.Count == 0)
        {
            // not before all pods are cut off: it opens the way for what they send
            using var netlink = RouteNetlink.Open();
            faults = new HostNetwork(netlink).Reset(@interface);
        }

        foreach (var fault in faults)
        {
            Console.Error.WriteLine($"wgmesh-agent: {fault}");
        }

        if (faults.Count > 0)
        {
            return 1;
        }

        ConfigCache.Delete(stateFolder);
        HeardEndpoints.Delete(options.RunFolder);
        File.Delete(Path.Combine(options.RunFolder, Tenure.SocketName));
        alone.Delete();
        return 0;
    }
}
