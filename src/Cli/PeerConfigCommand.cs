using System.CommandLine;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary><c>peer-config NAME</c></summary>
internal static class PeerConfigCommand
{
    public static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "Name of the WireGuardPeer." };
        var connection = new Connection();
        var command = new Command("peer-config",
            "Prints the wg-quick configuration of an external peer; its private key, which only the device has, is to be added.") { name };
        connection.AddTo(command);
        command.SetAction((parsed, cancellationToken) => connection.AskAsync(parsed, async client =>
        {
            var file = await client.GetPeerConfigAsync(
                new GetPeerConfigRequest { Peer = parsed.GetRequiredValue(name) },
                deadline: DateTime.UtcNow.AddSeconds(15), cancellationToken: cancellationToken);
            await parsed.InvocationConfiguration.Output.WriteAsync(file.Text);
            return CommandLine.Done;
        }));
        return command;
    }
}
