using System.Diagnostics;
using System.Globalization;
using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>A host that is a network namespace of this machine, with a userspace WireGuard in it.</summary>
internal sealed class NamespaceHost : WireGuardHost
{
    private Process? _program;

    private NamespaceHost(Lan lan, int number)
        : base(lan, number)
    {
        lan.Wire.Plug(Namespace, Ethernet);
        Ip($"addr add {lan.Prefix(number, false)} dev {Ethernet}");
        Ip($"addr add {lan.Prefix(number, true)} dev {Ethernet} nodad");
    }

    public NetNamespace Namespace { get; } = new();

    /// <summary>Of the WireGuard program, which is a child of ours.</summary>
    public Process Program => _program!;

    /// <summary><c>wgmesh-agent device</c>.</summary>
    /// <param name="disabledOffloads">As <c>--disable-offload</c> takes them.</param>
    public static NamespaceHost StartWgMesh(Lan lan, int number, string disabledOffloads = "") =>
        Start(lan, number, Agent, "device", "--foreground", "--disable-offload", disabledOffloads);

    /// <summary>wireguard-go, the newest that Debian has.</summary>
    public static NamespaceHost StartWireGuardGo(Lan lan, int number) => Start(
        lan, number,
        Environment.GetEnvironmentVariable("WGMESH_WIREGUARD_GO")
            ?? throw new InvalidOperationException("set WGMESH_WIREGUARD_GO to the path that e2e/wireguard-go.sh prints, or run ./test.sh"),
        "--foreground");

    /// <summary>Path of our program.</summary>
    public static string Agent { get; } = Path.Combine(AppContext.BaseDirectory, "wgmesh-agent");

    public override string Exec(string program, params string[] arguments) => Namespace.Exec(program, arguments);

    public override void Dispose()
    {
        if (_program is { } program)
        {
            // told first, so that it takes its socket along
            if (!program.HasExited)
            {
                NetNamespace.Command("kill", "-TERM", program.Id.ToString(CultureInfo.InvariantCulture));
            }

            if (!program.WaitForExit(TimeSpan.FromSeconds(60)))
            {
                program.Kill();
                program.WaitForExit();
            }

            program.Dispose();
        }

        Namespace.Dispose();
    }

    private static NamespaceHost Start(Lan lan, int number, string program, params string[] arguments)
    {
        var host = new NamespaceHost(lan, number);
        try
        {
            host._program = host.Namespace.Start(program, [.. arguments, host.Interface]);
            var output = host._program.StandardOutput.ReadToEndAsync();
            var error = host._program.StandardError.ReadToEndAsync();
            Wait.Until(() => host._program.HasExited || File.Exists($"/var/run/wireguard/{host.Interface}.sock"), $"{program} to make {host.Interface}");
            Assert.False(host._program.HasExited, host._program.HasExited ? $"{program} ended: {output.Result}{error.Result}" : "");
            host.Configure();
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }
}
