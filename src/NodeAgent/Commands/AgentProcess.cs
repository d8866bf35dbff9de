using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Identity;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Commands;

/// <summary>The agent of a node, from start to end. Tunnels first: whatever else there is to start waits for them.</summary>
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
        using var key = NodeKey.LoadOrCreate(options.StateFolder, log);
        var device = new DeviceOptions { Name = options.Interface, Disabled = options.DisabledOffloads, Report = log.DeviceReported };
        using var dataPlane = NodeDataPlane.Open(device);
        if (dataPlane.ApplyDevice(new() { PrivateKey = key }) is { } error)
        {
            throw new AgentException($"The device refuses the private key: {error.Message}");
        }

        var hello = Hello(options, dataPlane);
        log.Starting(AgentVersion.Text, options.Node, hello.PublicKey.ToBase64());

        var time = TimeProvider.System;
        var status = new AgentStatus();
        using var metrics = new AgentMetrics(status);
        var applier = new ConfigApplier(
            options.Node,
            key,
            dataPlane,
            new NameResolver(Dns.GetHostAddressesAsync, time, log),
            [.. options.Operators.Select(o => o.IdnHost.Trim('[', ']'))],
            new ConfigCache(options.StateFolder, options.Node, log),
            status,
            metrics,
            time,
            log);
        applier.ApplyCache();

        await using var uapi = ServeUapi(options.Interface, dataPlane, log);
        await using var web = AgentEndpoints.Build(
            options.MetricsListen,
            options.Node,
            device.PeerSeries,
            loggers,
            () =>
            {
                using var snapshot = dataPlane.Snapshot();
                return Readiness.Of(options.Node, status.Current, snapshot);
            });
        var link = new OperatorLink(
            hello,
            options.Operators,
            new OperatorCredentials(options.CaFile, options.TokenFile),
            applier,
            dataPlane,
            status,
            metrics,
            Random.Shared,
            time,
            log);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task[] running = [StartWebAsync(web, options.MetricsListen, end.Token), applier.RunAsync(end.Token), link.RunAsync(end.Token), dataPlane.Ended];
        var first = await Task.WhenAny(running);
        log.Stopping();
        await end.CancelAsync();
        await Task.WhenAll(running[..^1]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!stop.IsCancellationRequested)
        {
            await first;
            throw new AgentException($"The interface {options.Interface} was deleted.");
        }

        return 0;
    }

    private static async Task StartWebAsync(WebApplication web, IPEndPoint listen, CancellationToken stop)
    {
        try
        {
            await web.StartAsync(stop);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new AgentException($"--metrics-listen: {listen} cannot be listened on: {e.Message}", e);
        }

        await Task.Delay(Timeout.Infinite, stop);
    }

    // `wg show` is a convenience here, and its socket's folder may be shared with others: no reason to have no tunnels
    private static UapiServer? ServeUapi(string name, NodeDataPlane dataPlane, ILogger log)
    {
        try
        {
            return UapiServer.Start(name, dataPlane.ApplyDevice, dataPlane.Snapshot, log.UapiRefused);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.UapiNotServed(e.Message);
            return null;
        }
    }

    private static Hello Hello(RunOptions options, NodeDataPlane dataPlane)
    {
        using var snapshot = dataPlane.Snapshot();
        return new()
        {
            Node = options.Node,
            PublicKey = ByteString.CopyFrom(snapshot.PublicKey!.Value.ToArray()),
            Endpoints = { options.AdvertisedEndpoints.Select(e => e.ToString()) },
            AgentVersion = AgentVersion.Text,
            ProtocolVersions = { snapshot.ProtocolVersions },
        };
    }
}
