using System.Buffers.Binary;
using System.Net.Sockets;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Handover;

/// <summary>
/// Which of the agents on a node has its data plane: the newest that runs. A new one asks the one that has it, which ends its own and lets
/// go of it, so that an upgrade costs the moment between the two. All others wait: if the new one ends, one of them takes over.
/// </summary>
/// <param name="runFolder">Root's alone.</param>
/// <param name="started">When this agent was started for the first time.</param>
internal sealed class Succession(string runFolder, DateTimeOffset started, TimeProvider time, ILogger log)
{
    /// <summary>How often it is looked whether the data plane is free.</summary>
    internal static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Whoever was to let go and has not done so for this long is told of in the log, once.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long one waits before it asks that is not new, or was refused. One that crashes again and again is not to take the data plane at each of
    /// its starts.
    /// </summary>
    internal static readonly TimeSpan AskInterval = TimeSpan.FromMinutes(1);

    /// <summary>Waits until the data plane is this process's; for ever, if the node was released meanwhile and this agent is not new.</summary>
    /// <param name="isNew">
    /// Whether this is the first start of this agent: it asks at once, and connects the node again if that one has released it.
    /// </param>
    /// <exception cref="OperationCanceledException">It was cancelled before.</exception>
    internal async Task<Tenure> TakeAsync(bool isNew, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var why = "is waited for";
        if (isNew)
        {
            _ = SayAsync(() => why, over.Token);
        }

        try
        {
            var refused = false;
            for (var waiting = time.GetTimestamp(); ;)
            {
                if (!isNew && !AgentLock.Exists(runFolder))
                {
                    // Whoever released the node deleted it. This one was part of what was to go, and is not to put the mesh back.
                    log.NodeWasReleased();
                    await Task.Delay(Timeout.Infinite, stop);
                }

                if (Tenure.TryBegin(runFolder, started, make: isNew) is { } tenure)
                {
                    return tenure;
                }

                if (isNew || time.GetElapsedTime(waiting) >= AskInterval)
                {
                    var (given, isRefused) = await AskAsync(isNew, reason => why = reason, stop);
                    if (given is not null)
                    {
                        return given;
                    }

                    if (isRefused)
                    {
                        if (!refused)
                        {
                            log.DataPlaneRefused();
                        }

                        (refused, isNew, waiting) = (true, false, time.GetTimestamp());
                        await over.CancelAsync(); // nothing is amiss
                    }
                }

                await Task.Delay(LookInterval, time, stop);
            }
        }
        finally
        {
            await over.CancelAsync();
        }
    }

    /// <summary>Asks, and waits until it is let go of, or refused: the other one is newer.</summary>
    /// <returns>Neither: it cannot be asked, or somebody else was quicker.</returns>
    private async Task<(Tenure? Given, bool IsRefused)> AskAsync(bool isNew, Action<string> why, CancellationToken stop)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(runFolder, Tenure.SocketName)), stop);
            var request = new byte[Tenure.RequestLength];
            BinaryPrimitives.WriteInt64LittleEndian(request, started.UtcTicks);
            await socket.SendAsync(request, stop);
            why("has been asked to let go of it, and has not");
            // the end, or first a byte that says no
            return await socket.ReceiveAsync(new byte[1], stop) > 0
                ? (null, true)
                // while the connection stands, the other one waits for this one to have it
                : (Tenure.TryBegin(runFolder, started, make: isNew), false);
        }
        catch (SocketException e)
        {
            why($"cannot be asked to let go of it ({e.Message})");
            return (null, false);
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
