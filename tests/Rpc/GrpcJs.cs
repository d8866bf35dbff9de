using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;

namespace WgMesh.Rpc.Tests;

/// <summary>
/// Runs the scripts in <c>grpc-js/</c>: an implementation of gRPC that shares nothing with ours. Its packages are installed once, as the
/// lock file there says.
/// </summary>
public sealed class GrpcJs
{
    private static readonly Lazy<Task> Installation = new(InstallAsync);

    private static string Folder { get; } = Path.Combine(SourceFolder(), "grpc-js");

    /// <summary>Runs a script to its end.</summary>
    /// <returns>The JSON that it printed last.</returns>
    public static async Task<JsonElement> RunAsync(string script, params string[] arguments)
    {
        await using var process = await StartAsync(script, arguments);
        return await process.ReadAsync();
    }

    /// <summary>Starts a script.</summary>
    public static async Task<Script> StartAsync(string script, params string[] arguments)
    {
        await Installation.Value;
        return new Script(Start("node", [script, .. arguments]));
    }

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private static async Task InstallAsync()
    {
        // Written last by npm, so that an installation that was cut short is done again.
        if (File.Exists(Path.Combine(Folder, "node_modules", ".package-lock.json")))
            return;
        using var npm = Start("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        npm.StandardInput.Close();
        var output = npm.StandardOutput.ReadToEndAsync();
        var errors = npm.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await npm.WaitForExitAsync(patience.Token);
        Assert.True(npm.ExitCode == 0, $"'npm ci' in {Folder} failed: {await output}{await errors}");
    }

    private static Process Start(string program, string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = Folder,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Fail($"'{program}' is not here: install Node.js 20 or newer with npm (Debian: nodejs, npm).");
            throw;
        }
    }

    /// <summary>A script that runs, as its lines of JSON.</summary>
    public sealed class Script : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly Channel<JsonElement> _lines = Channel.CreateUnbounded<JsonElement>();
        private readonly Task _pump;
        private string _errors = "";

        public Script(Process process)
        {
            _process = process;
            _pump = PumpAsync();
        }

        /// <summary>The next line.</summary>
        public async Task<JsonElement> ReadAsync()
        {
            try
            {
                return await _lines.Reader.ReadAsync().AsTask().WaitAsync(EchoServer.Patience);
            }
            catch (ChannelClosedException)
            {
                throw new InvalidOperationException($"The script ended without a word: {_errors}");
            }
        }

        public async ValueTask DisposeAsync()
        {
            _process.StandardInput.Close();
            using (var patience = new CancellationTokenSource(EchoServer.Patience))
            {
                try
                {
                    await _process.WaitForExitAsync(patience.Token);
                }
                catch (OperationCanceledException)
                {
                    _process.Kill(entireProcessTree: true);
                }
            }

            await _pump;
            _process.Dispose();
        }

        private async Task PumpAsync()
        {
            var errors = _process.StandardError.ReadToEndAsync();
            while (await _process.StandardOutput.ReadLineAsync() is { } line)
                _lines.Writer.TryWrite(JsonSerializer.Deserialize<JsonElement>(line));
            _errors = await errors;
            _lines.Writer.Complete();
        }
    }
}
