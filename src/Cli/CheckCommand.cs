using System.CommandLine;
using System.Diagnostics;
using Grpc.Core;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary><c>check [--wait SECONDS]</c></summary>
internal static class CheckCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>The links of so many peers can be asked for at a time.</summary>
    private const int MostLinksOf = 64;

    public static Command Create()
    {
        var wait = new Option<int>("--wait")
        {
            Description = "How long the mesh, and the operator, may take to come to be so.",
            HelpName = "SECONDS",
        };
        wait.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 3600)
                result.AddError("--wait is a number of seconds from 0 to 3600.");
        });
        var connection = new Connection();
        var command = new Command("check",
            "Says whether the mesh is as it should be: every node's agent is connected and has no fault, and no link between nodes is down. " +
            "Exit code 0: it is; 1: it is not, and why.")
        {
            wait,
        };
        connection.AddTo(command);
        command.SetAction((parsed, cancellationToken) => connection.AskAsync(parsed, client =>
            CheckAsync(client, TimeSpan.FromSeconds(parsed.GetValue(wait)), parsed.InvocationConfiguration.Output, cancellationToken)));
        return command;
    }

    private static async Task<int> CheckAsync(Mesh.MeshClient client, TimeSpan wait, TextWriter output, CancellationToken cancellationToken)
    {
        var waited = Stopwatch.StartNew();
        MeshStatus? status = null;
        while (status is null)
        {
            try
            {
                status = await LastAsync(client, wait - waited.Elapsed, cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && waited.Elapsed < wait)
            {
                await Task.Delay(Pause, cancellationToken);
            }
        }

        foreach (var note in MeshHealth.NotesOf(status))
            await output.WriteLineAsync($"note: {note}");
        var problems = MeshHealth.ProblemsOf(status);
        foreach (var problem in problems)
            await output.WriteLineAsync(problem);
        if (MeshHealth.NodesWithLinksDown(status).Take(MostLinksOf).ToList() is { Count: > 0 } names && problems.Count > 0)
        {
            using var call = client.WatchStatus(
                new WatchStatusRequest { LinksOf = { names } }, deadline: DateTime.UtcNow + Patience, cancellationToken: cancellationToken);
            if (await call.ResponseStream.MoveNext(cancellationToken))
            {
                foreach (var link in MeshHealth.LinksDown(call.ResponseStream.Current))
                    await output.WriteLineAsync(link);
            }
        }

        await output.WriteLineAsync(MeshHealth.Summary(status));
        return problems.Count == 0 ? CommandLine.Done : CommandLine.No;
    }

    /// <summary>The first status in which nothing is wrong, or the last one that came in time; the first one is waited for in any case.</summary>
    private static async Task<MeshStatus> LastAsync(Mesh.MeshClient client, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var call = client.WatchStatus(new WatchStatusRequest(), cancellationToken: enough.Token);
        enough.CancelAfter(wait > Patience ? wait : Patience);
        var waited = Stopwatch.StartNew();
        MeshStatus? last = null;
        try
        {
            while (await call.ResponseStream.MoveNext(enough.Token))
            {
                last = call.ResponseStream.Current;
                var left = wait - waited.Elapsed;
                if (left <= TimeSpan.Zero || MeshHealth.ProblemsOf(last).Count == 0)
                    return last;
                enough.CancelAfter(left);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled }
            && enough.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // that was all the time there is
        }

        return last ?? throw new RpcException(new Status(StatusCode.Unavailable, "the operator does not answer"));
    }
}
