using WgMesh.Engine.Device;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Netlink;
using WgMesh.Engine.Uapi;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Commands;

/// <summary>One interface and its socket, from start to end.</summary>
internal static class DeviceProcess
{
    // an Ethernet's 1500 less the most that a tunnel adds, as every WireGuard tool assumes
    private const int DefaultMtu = 1420;

    /// <summary>Runs until cancelled, or until the interface or its socket is deleted.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="AgentException">It cannot start.</exception>
    internal static async Task<int> RunAsync(string name, Offloads disabledOffloads, CancellationToken stop)
    {
        using var loggers = LoggerFactory.Create(logging => logging
            .SetMinimumLevel(LogLevelOf(Environment.GetEnvironmentVariable("LOG_LEVEL")))
            .AddSimpleConsole(console => console.SingleLine = true));
        var log = loggers.CreateLogger(name);

        using var device = Open(new DeviceOptions { Name = name, Disabled = disabledOffloads, Report = log.DeviceReported });
        SetMtu(device.Name);
        await using var uapi = Serve(device, log);
        log.DeviceStarted(device.Name, uapi.SocketPath);
        log.AeadInUse(WireGuardDevice.Aead);
        Background.Ready();
        _ = Task.Run(DeviceRehearsal.Run, CancellationToken.None); // so that the first handshake does not wait for code to be compiled

        var stopped = Task.Delay(Timeout.Infinite, stop);
        await Task.WhenAny(stopped, device.Ended, uapi.SocketRemoved);
        log.DeviceStopping(device.Name, stopped.IsCompleted ? "it was told to" : device.Ended.IsCompleted ? "the interface was deleted" : "the socket was deleted");
        return 0;
    }

    private static WireGuardDevice Open(DeviceOptions options)
    {
        try
        {
            return WireGuardDevice.Open(options);
        }
        catch (LinuxException e)
        {
            throw new AgentException($"The interface {options.Name} cannot be made: {e.Message}", e);
        }
    }

    // nobody configures the MTU of a device that stands alone, and the kernel's 1500 would have every full packet fragmented
    private static void SetMtu(string name)
    {
        using var netlink = RouteNetlink.Open();
        if (netlink.FindLink(name) is { } link)
        {
            netlink.SetLinkMtu(link.Index, DefaultMtu);
        }
    }

    private static UapiServer Serve(WireGuardDevice device, ILogger log)
    {
        try
        {
            return UapiServer.Start(device.Name, device.Apply, device.Snapshot, log.UapiRefused);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException(e.Message, e);
        }
    }

    /// <summary>The names that wireguard-go has, with its default.</summary>
    internal static LogLevel LogLevelOf(string? name) => name switch
    {
        "verbose" or "debug" => LogLevel.Debug,
        "silent" => LogLevel.None,
        _ => LogLevel.Error,
    };
}
