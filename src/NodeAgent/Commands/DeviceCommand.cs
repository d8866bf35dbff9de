using System.CommandLine;

namespace WgMesh.NodeAgent.Commands;

/// <summary><c>wgmesh-agent device NAME</c>: what <c>wireguard-go NAME</c> is, with the same arguments, environment and exit codes.</summary>
internal static class DeviceCommand
{
    // wg-quick calls what this variable names with the interface's name as the only argument
    private const string WgQuickVariable = "WG_QUICK_USERSPACE_IMPLEMENTATION";

    /// <summary>For every command that carries packets.</summary>
    internal const string AeadHelp = "WGMESH_AEAD: what computes ChaCha20-Poly1305, if not the fastest that works here: avx512, avx2, portable or libcrypto.";

    internal static Command Create()
    {
        var name = new Argument<string>("NAME") { Description = "Name of the interface to make." };
        name.Validators.Add(InterfaceName.Validate);
        var foreground = new Option<bool>("--foreground", "-f")
        {
            Description = "Stay in the foreground until SIGTERM or SIGINT. The same: WG_PROCESS_FOREGROUND=1.",
        };
        var disableOffload = DisableOffload.Create();
        var command = new Command(
            "device",
            "Makes a WireGuard interface that `wg` can configure, and returns when it is there; a process in the background carries its packets. "
            + "It ends when the interface or its socket is deleted. LOG_LEVEL: verbose, error (default) or silent. "
            + AeadHelp)
        {
            name, foreground, disableOffload,
        };
        command.SetAction((parsed, stop) =>
            parsed.GetValue(foreground) || Environment.GetEnvironmentVariable("WG_PROCESS_FOREGROUND") == "1"
                ? DeviceProcess.RunAsync(parsed.GetRequiredValue(name), parsed.GetValue(disableOffload), stop)
                : Background.StartAsync(
                    ["device", parsed.GetRequiredValue(name), "--foreground", .. parsed.GetResult(disableOffload) is { } given ? ["--disable-offload", .. given.Tokens.Select(token => token.Value)] : Array.Empty<string>()],
                    keepOutput: DeviceProcess.LogLevelOf(Environment.GetEnvironmentVariable("LOG_LEVEL")) == LogLevel.Debug,
                    stop));
        return command;
    }

    /// <summary>The arguments, or what they mean when <c>wg-quick</c> is the caller.</summary>
    internal static string[] FromWgQuick(string[] args) =>
        args is [var name] && InterfaceName.IsValid(name) && !name.StartsWith('-') && Environment.GetEnvironmentVariable(WgQuickVariable) is { Length: > 0 }
            ? ["device", name]
            : args;
}
