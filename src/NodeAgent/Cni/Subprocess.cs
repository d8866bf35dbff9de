using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Programs that are given something to read, print something, and end.</summary>
internal static class Subprocess
{
    private const int MaxOutput = 4 << 20;

    /// <summary>Runs one to its end in the calling thread's network namespace.</summary>
    /// <param name="input">Its standard input.</param>
    /// <param name="limit">How long it may run; then it is killed.</param>
    /// <exception cref="Win32Exception">It cannot be run.</exception>
    /// <exception cref="TimeoutException">It did not end.</exception>
    internal static (int ExitCode, string Output, string Error) Run(ProcessStartInfo start, string input, TimeSpan limit)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var conversation = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError), WriteAsync(process.StandardInput, input));
        if (!conversation.Wait(limit) || !process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException();
        }

        return (process.ExitCode, conversation.Result[0], conversation.Result[1]);
    }

    // what is too much is read and forgotten, so that the program comes to its end
    private static async Task<string> ReadAsync(StreamReader reader)
    {
        var text = new StringBuilder();
        var buffer = new char[4096];
        for (int count; (count = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
        {
            text.Append(buffer, 0, Math.Min(count, MaxOutput - text.Length));
        }

        return text.ToString();
    }

    private static async Task<string> WriteAsync(StreamWriter writer, string input)
    {
        try
        {
            await writer.WriteAsync(input).ConfigureAwait(false);
            writer.Close();
        }
        catch (IOException)
        {
            // it has ended without reading all, and says why itself
        }

        return "";
    }
}
