using System.CommandLine;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary><c>status [--watch]</c></summary>
internal static class StatusCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    public static Command Create()
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Go on showing changes until interrupted." };
        var connection = new Connection();
        var command = new Command("status",
            "Shows the peers of the mesh, their links with the age of the last handshake, conflicts and problems.") { watch };
        connection.AddTo(command);
        command.SetAction((parsed, cancellationToken) => connection.AskAsync(parsed, client =>
            ShowAsync(client, parsed.GetValue(watch), parsed.InvocationConfiguration.Output, cancellationToken)));
        return command;
    }

    private static async Task<int> ShowAsync(Mesh.MeshClient client, bool watch, TextWriter output, CancellationToken cancellationToken)
    {
        using var call = client.WatchStatus(
            new WatchStatusRequest(), deadline: watch ? null : DateTime.UtcNow + Patience, cancellationToken: cancellationToken);
        try
        {
            while (await call.ResponseStream.MoveNext(cancellationToken))
            {
                if (watch && ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected)
                    Console.Clear();
                await output.WriteAsync(StatusText.Write(call.ResponseStream.Current, DateTimeOffset.UtcNow));
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
