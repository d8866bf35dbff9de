using System.Diagnostics;
using System.IO.Pipes;
using WgMesh.NodeAgent.Interop;

namespace WgMesh.NodeAgent.Commands;

/// <summary>
/// Going on in the background. .NET cannot fork, so this program starts itself again, waits until the child says over a pipe that it
/// is ready, and leaves it alone.
/// </summary>
internal static class Background
{
    private const string PipeVariable = "WGMESH_READY_PIPE";

    /// <summary>Starts this program with other arguments, and waits until it is ready.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="keepOutput">Whether what it logs goes where the output of this process goes, then and later.</param>
    /// <param name="stop">Ends the waiting, and the child.</param>
    /// <returns>0 when it is ready, else the exit code it ended with; what it had to say of that was said on standard error.</returns>
    internal static async Task<int> StartAsync(string[] arguments, bool keepOutput, CancellationToken stop)
    {
        await using var pipe = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable);
        // whoever reads the output of this process to its end must not have to wait for the child, so it gets pipes of its own.
        // It could not let go of others: .NET's console keeps copies of the descriptors that it starts with.
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = !keepOutput,
            RedirectStandardError = !keepOutput,
        };
        // `dotnet wgmesh-agent.dll`: the program is the first argument then
        if (Path.GetFileName(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        }

        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment[PipeVariable] = pipe.GetClientHandleAsString();
        using var child = Process.Start(start)!;
        pipe.DisposeLocalCopyOfClientHandle();
        try
        {
            if (await pipe.ReadAsync(new byte[1], stop) == 1)
            {
                return 0;
            }

            if (!keepOutput)
            {
                await Console.Error.WriteAsync(await child.StandardError.ReadToEndAsync(stop));
            }

            await child.WaitForExitAsync(stop);
            return child.ExitCode is var code and not 0 ? code : 1;
        }
        catch (OperationCanceledException)
        {
            child.Kill();
            return 1;
        }
    }

    /// <summary>Tells the waiting parent, if there is one, and lets go of its session and its folder.</summary>
    internal static void Ready()
    {
        if (Environment.GetEnvironmentVariable(PipeVariable) is not { Length: > 0 } handle)
        {
            return;
        }

        Environment.SetEnvironmentVariable(PipeVariable, null);
        _ = Unistd.Setsid();
        Directory.SetCurrentDirectory("/");
        using var pipe = new AnonymousPipeClientStream(PipeDirection.Out, handle);
        pipe.WriteByte(1);
    }
}
