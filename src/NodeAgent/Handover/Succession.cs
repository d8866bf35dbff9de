using System.Net.Sockets;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Handover;

/// <summary>
/// Which of the agents on a node has its data plane. One that starts asks the one that has it, which ends its own and lets go of it, so
/// that an upgrade costs the moment between the two. One that was asked waits: if the new one ends, it takes over again.
/// </summary>
/// <param name="runFolder">Is there, and root's alone.</param>
internal sealed class Succession(string runFolder, TimeProvider time, ILogger log)
{
    /// <summary>How often it is looked whether the data plane is free.</summary>
    internal static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Whoever was to let go and has not done so for this long is told of in the log, once.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Waits until the data plane is this process's.</summary>
    /// <param name="ask">Whether whoever has it is asked for it. One that was asked itself does not ask back.</param>
    /// <exception cref="OperationCanceledException">It was cancelled before.</exception>
    internal async Task<Tenure> TakeAsync(bool ask, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var why = "is waited for";
        if (ask)
        {
            _ = SayAsync(() => why, over.Token);
        }

        try
        {
            while (true)
            {
                if (Tenure.TryBegin(runFolder) is { } tenure)
                {
                    return tenure;
                }

                if (ask && await AskAsync(reason => why = reason, stop) is { } given)
                {
                    return given;
                }

                await Task.Delay(LookInterval, time, stop);
            }
        }
        finally
        {
            await over.CancelAsync();
        }
    }

    /// <returns>Null: it cannot be asked, or somebody else was quicker.</returns>
    private async Task<Tenure?> AskAsync(Action<string> why, CancellationToken stop)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(runFolder, Tenure.SocketName)), stop);
            why("has been asked to let go of it, and has not");
            await socket.ReceiveAsync(new byte[1], stop); // nothing comes but the end
            return Tenure.TryBegin(runFolder);
        }
        catch (SocketException e)
        {
            why($"cannot be asked to let go of it ({e.Message})");
            return null;
        }
    }

    private async Task SayAsync(Func<string> why, CancellationToken over)
    {
        try
        {
            await Task.Delay(Patience, time, over);
            log.DataPlaneTaken(Path.Combine(runFolder, AgentLock.FileName), why());
        }
        catch (OperationCanceledException)
        {
            // it did not come to that
        }
    }
}
