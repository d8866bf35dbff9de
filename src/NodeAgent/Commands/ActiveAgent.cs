using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;
using WgMesh.NodeAgent.DataPlane;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Commands;

/// <summary>The agent that has the data plane of the node. Tunnels first: whatever else there is to start waits for them.</summary>
internal sealed class ActiveAgent(RunOptions options, SecretKey key, ILoggerFactory loggers, ILogger log)
{
    // an agent that was here before is closing the port where metrics are served, or is being killed with it
    private static readonly TimeSpan PortPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PortLookInterval = TimeSpan.FromMilliseconds(50);

    private static readonly TimeProvider Time = TimeProvider.System;

    /// <summary>
    /// Does once, without any effect, what is between two agents when the one takes over from the other: packets do not have to wait then for
    /// code that has never run.
    /// </summary>
    internal void Rehearse()
    {
        DeviceRehearsal.Run();
        var status = new AgentStatus();
        using var metrics = new AgentMetrics(status);
        Applier(new RehearsedDataPlane(options.Interface), status, metrics, NullLogger.Instance).ApplyCache();
    }

    /// <summary>Runs until cancelled, or until another agent asks for the data plane; then nothing of it is in use any more.</summary>
    /// <param name="asked">Completes when another one does.</param>
    /// <returns>Whether the node was released.</returns>
    /// <exception cref="AgentException">It cannot start, or its interface was deleted.</exception>
    internal async Task<bool> RunAsync(Task asked, CancellationToken stop)
    {
        using var dataPlane = NodeDataPlane.Open(
            options.Node,
            new DeviceOptions
            {
                Name = options.Interface,
                Disabled = options.DisabledOffloads,
                PeerSeries = options.PeerSeries,
                Report = log.DeviceReported,
            },
            options.Pods);
        if (dataPlane.ApplyDevice(new() { PrivateKey = key }) is { } error)
        {
            throw new AgentException($"The device refuses the private key: {error.Message}");
        }

        var hello = Hello(dataPlane);
        log.Starting(AgentVersion.Text, options.Node, hello.PublicKey.ToBase64());
        log.AeadInUse(WireGuardDevice.Aead);

        var status = new AgentStatus();
        status.Update(s => s with { Active = true });
        using var metrics = new AgentMetrics(status);
        var applier = Applier(dataPlane, status, metrics, log);
        applier.ApplyCache();

        await using var uapi = ServeUapi(dataPlane);
        await using var web = AgentEndpoints.Build(
            options.MetricsListen,
            options.Node,
            options.Generation,
            options.PeerSeries,
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
            Time,
            log);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var deleted = dataPlane.DeletedAsync();
        Task[] running = [ServeWebAsync(web, metrics, end.Token), applier.RunAsync(end.Token), link.RunAsync(end.Token)];
        var first = await Task.WhenAny([asked, deleted, .. running]);
        if (first == asked && !stop.IsCancellationRequested)
        {
            log.StandingDown();
        }
        else
        {
            log.Stopping();
        }

        await end.CancelAsync();
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!stop.IsCancellationRequested)
        {
            await first;
            if (first == deleted)
            {
                throw new AgentException($"The interface {options.Interface} was deleted.");
            }
        }

        return status.Current.Released;
    }

    private ConfigApplier Applier(IDataPlane dataPlane, AgentStatus status, AgentMetrics metrics, ILogger to) => new(
        options.Node,
        key,
        dataPlane,
        new NameResolver(Dns.GetHostAddressesAsync, Time, to),
        [.. options.Operators.Select(o => o.IdnHost.Trim('[', ']'))],
        new ConfigCache(options.StateFolder, options.Node, to),
        status,
        metrics,
        Time,
        to);

    private async Task ServeWebAsync(WebApplication web, AgentMetrics metrics, CancellationToken stop)
    {
        var listen = options.MetricsListen;
        await WaitUntilFreeAsync(listen, stop);
        try
        {
            await web.StartAsync(stop);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new AgentException($"--metrics-listen: {listen} cannot be listened on: {e.Message}", e);
        }

        metrics.RecordDurations();
        await Task.Delay(Timeout.Infinite, stop);
    }

    private static async Task WaitUntilFreeAsync(IPEndPoint listen, CancellationToken stop)
    {
        for (var start = Time.GetTimestamp(); Time.GetElapsedTime(start) < PortPatience; await Task.Delay(PortLookInterval, Time, stop))
        {
            try
            {
                using var probe = new Socket(listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                probe.Bind(listen);
                probe.Listen();
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // not yet
            }
            catch (SocketException)
            {
                return; // whoever listens in earnest says why not
            }
        }
    }

    // `wg show` is a convenience here, and its socket's folder may be shared with others: no reason to have no tunnels
    private UapiServer? ServeUapi(NodeDataPlane dataPlane)
    {
        try
        {
            return UapiServer.Start(options.Interface, dataPlane.ApplyDevice, dataPlane.Snapshot, log.UapiRefused);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.UapiNotServed(e.Message);
            return null;
        }
    }

    private Hello Hello(NodeDataPlane dataPlane)
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
