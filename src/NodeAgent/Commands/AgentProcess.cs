using WgMesh.NodeAgent.Handover;
using WgMesh.NodeAgent.Identity;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Commands;

/// <summary>The process of <c>wgmesh-agent run</c>: the agent of a node for as long as no other one takes its place, and whenever that one is gone.</summary>
internal static class AgentProcess
{
    /// <summary>Runs until cancelled.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="AgentException">It cannot start, or its interface was deleted.</exception>
    internal static async Task<int> RunAsync(RunOptions options, CancellationToken stop)
    {
        using var loggers = LoggerFactory.Create(logging => logging
            .AddFilter("Microsoft", LogLevel.Warning)
            // it says a second time, with a stack, what is said below in a sentence
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            }));
        var log = loggers.CreateLogger("wgmesh.agent");
        var runFolder = options.Pods.RunFolder;
        if (!RunFolder.Secure(runFolder))
        {
            log.ModeRepaired(runFolder, "0700");
        }

        // Before all else is opened: of a process that is killed the kernel closes last what was opened first, so whoever gets the lock then
        // finds interface and port free.
        var start = FirstStart.Of(options.PodFolder, TimeProvider.System);
        var tenure = Tenure.TryBegin(runFolder, start.Time, make: true);
        try
        {
            using var key = NodeKey.LoadOrCreate(options.StateFolder, log);
            var agent = new ActiveAgent(options, key, loggers, log);
            if (tenure is null)
            {
                if (start.IsNow)
                {
                    log.AskingForDataPlane();
                }
                else
                {
                    log.WaitingForDataPlane();
                }

                agent.Rehearse();
            }

            var succession = new Succession(runFolder, start.Time, TimeProvider.System, log);
            for (var isNew = start.IsNow; ; isNew = false)
            {
                tenure ??= await succession.TakeAsync(isNew, stop);
                tenure.LeaveNothing = await agent.RunAsync(tenure.Asked, stop);
                await tenure.DisposeAsync();
                tenure = null;
                stop.ThrowIfCancellationRequested();
                log.StoodDown();
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 0;
        }
        finally
        {
            if (tenure is not null)
            {
                await tenure.DisposeAsync();
            }
        }
    }
}
