using System.Collections.Immutable;
using System.Net;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine;
using WgMesh.Engine.Protocol;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests;

/// <summary>An agent with everything but a process, a TUN and the host's network.</summary>
internal sealed class RunningAgent : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly AgentMetrics _metrics;
    private readonly Task _running;

    /// <param name="folder">Its state, of the last run too.</param>
    /// <param name="number">Of the node; see <see cref="CoreDataPlane"/>. Its key follows from it.</param>
    /// <param name="versions">What its engine speaks.</param>
    public RunningAgent(RunningOperator @operator, string folder, Wire wire, ManualTime time, string node, int number, ImmutableArray<ProtocolVersion> versions)
        : this([@operator.Address], new OperatorCredentials(@operator.Authority, @operator.TokenFile), folder, wire, time, node, number, versions)
    {
    }

    /// <param name="operators">The first is called first.</param>
    public RunningAgent(
        ImmutableArray<Uri> operators, OperatorCredentials credentials, string folder, Wire wire, ManualTime time, string node, int number, ImmutableArray<ProtocolVersion> versions)
    {
        Plane = new CoreDataPlane(wire, time, number, versions);
        var key = new SecretKey(Enumerable.Repeat((byte)number, SecretKey.Length).ToArray());
        Assert.Null(Plane.ApplyDevice(new() { PrivateKey = key }));

        var log = NullLogger.Instance;
        _metrics = new AgentMetrics(Status);
        Directory.CreateDirectory(folder);
        var applier = new ConfigApplier(
            node, key, Plane, new NameResolver(Dns.GetHostAddressesAsync, time, log), [], new ConfigCache(folder, node, log), Status, _metrics, time, log);
        applier.ApplyCache();
        using var snapshot = Plane.Snapshot();
        var hello = new Hello { Node = node, PublicKey = ByteString.CopyFrom(Plane.PublicKey.ToArray()), ProtocolVersions = { snapshot.ProtocolVersions } };
        var link = new OperatorLink(hello, operators, credentials, applier, Plane, Status, _metrics, new FirstOfAll(number), time, log);
        _running = Task.WhenAll(applier.RunAsync(_stop.Token), link.RunAsync(_stop.Token));
    }

    public CoreDataPlane Plane { get; }

    public AgentStatus Status { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _metrics.Dispose();
        Plane.Dispose();
        _stop.Dispose();
    }

    private sealed class FirstOfAll(int seed) : Random(seed)
    {
        public override int Next(int maxValue) => 0;
    }
}
