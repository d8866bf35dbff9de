using System.CommandLine;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary><c>status [PEER...] [--watch]</c></summary>
internal static class StatusCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    public static Command Create()
    {
        var peers = new Argument<string[]>("PEER")
        {
            Description = "Names of WireGuardPeers whose links are shown one by one, from both ends.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var watch = new Option<bool>("--watch", "-w") { Description = "Go on showing changes until interrupted." };
        var connection = new Connection();
        var command = new Command("status",
            "Shows the peers of the mesh, how many of their links are up, down and idle, the age of the last handshake, conflicts and problems.")
        {
            peers,
            watch,
        };
        connection.AddTo(command);
        command.SetAction((parsed, cancellationToken) => connection.AskAsync(parsed, client =>
            ShowAsync(client, parsed.GetValue(peers) ?? [], parsed.GetValue(watch), parsed.InvocationConfiguration, cancellationToken)));
        return command;
    }

    private static async Task<int> ShowAsync(
        Mesh.MeshClient client, string[] peers, bool watch, InvocationConfiguration console, CancellationToken cancellationToken)
    {
        var output = console.Output;
        using var call = client.WatchStatus(
            new WatchStatusRequest { LinksOf = { peers } }, deadline: watch ? null : DateTime.UtcNow + Patience, cancellationToken: cancellationToken);
        try
        {
            while (await call.ResponseStream.MoveNext(cancellationToken))
            {
                if (watch && ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected)
                    Console.Clear();
                var status = call.ResponseStream.Current;
                if (!watch && peers.Except(status.Peers.Select(peer => peer.Name)).FirstOrDefault() is { } unknown)
                {
                    await console.Error.WriteLineAsync($"there is no WireGuardPeer {unknown}");
                    return CommandLine.No;
                }

                await output.WriteAsync(StatusText.Write(status, DateTimeOffset.UtcNow));
                if (!watch)
                    break;
                await output.WriteLineAsync();
            }

            return CommandLine.Done;
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            return CommandLine.Done; // interrupted by whoever watches
        }
    }
}
