using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using WgMesh.Bench;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Soak;

/// <summary>
/// Two devices of this process in network namespaces of their own, with a pair of veth between them, and iperf3 at both ends: eight TCP
/// streams each way. There is nothing else in this process, so its memory is that of two devices.
/// </summary>
internal sealed class LoadedTunnel : IDisposable
{
    private const string Interface = "wg0", Right = "10.0.0.2";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly NetNamespace? _leftHost, _rightHost; // null, like all of these, only while they are made
    private readonly WireGuardDevice? _left, _right;
    private readonly Process? _server, _client;
    private readonly Task _ended;
    private readonly Task<string> _said;

    /// <exception cref="InvalidOperationException">An end could not be made, or iperf3 does not start; says why.</exception>
    public LoadedTunnel(TimeSpan length, CancellationToken stop)
    {
        try
        {
            _leftHost = new NetNamespace();
            _rightHost = new NetNamespace();
            NetNamespace.Connect(_leftHost, _rightHost);
            _leftHost.Ip("addr add 192.0.2.1/24 dev eth0");
            _rightHost.Ip("addr add 192.0.2.2/24 dev eth0");
            _left = Open(_leftHost, "10.0.0.1");
            _right = Open(_rightHost, Right);
            Introduce(_left, _right, Right, IPAddress.Parse("192.0.2.2"));
            Introduce(_right, _left, "10.0.0.1", null);
            _leftHost.Exec("ping", "-q", "-c", "1", "-W", "60", Right);

            // what they print is a few lines, so that their pipes never fill
            _server = _rightHost.Start("iperf3", "--server", "--one-off", "--interval", "0", "--bind", Right);
            WaitUntilListening(_rightHost, _server, stop);
            _client = _leftHost.Start(
                "iperf3",
                "--client", Right, "--parallel", "8", "--bidir", "--interval", "0",
                "--time", Math.Ceiling(length.TotalSeconds).ToString(CultureInfo.InvariantCulture));
            _ended = _client.WaitForExitAsync(CancellationToken.None);
            _said = _client.StandardError.ReadToEndAsync(CancellationToken.None);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public bool LoadHasEnded => _ended.IsCompleted;

    /// <summary>Null if the load ended as it should; what iperf3 said otherwise.</summary>
    public string? Failure => _client!.ExitCode == 0 ? null : _said.Result;

    /// <summary>Returns when it ends, or that time is over.</summary>
    public async Task WaitForEndOfLoadAsync(TimeSpan limit, CancellationToken stop)
    {
        await Task.WhenAny(_ended, Task.Delay(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, stop));
        stop.ThrowIfCancellationRequested();
    }

    /// <summary>What arrived at either end until now.</summary>
    public (ulong Packets, ulong Bytes) Carried()
    {
        using var left = _left!.Snapshot();
        using var right = _right!.Snapshot();
        return (left.Peers[0].ReceivedPackets + right.Peers[0].ReceivedPackets, left.Peers[0].ReceivedBytes + right.Peers[0].ReceivedBytes);
    }

    public void Dispose()
    {
        End(_client);
        End(_server);
        Teardown.All(_client, _server, _left, _right, _leftHost, _rightHost);
    }

    private static WireGuardDevice Open(NetNamespace host, string address)
    {
        var device = host.Run(() => WireGuardDevice.Open(new DeviceOptions { Name = Interface }));
        try
        {
            host.Ip($"addr add {address}/24 dev {Interface}");
            host.Ip($"link set {Interface} mtu 1420 up");
            Apply(device, new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) });
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static void Introduce(WireGuardDevice device, WireGuardDevice peer, string allowed, IPAddress? address)
    {
        using var snapshot = peer.Snapshot();
        Prefix.TryParse($"{allowed}/32", out var prefix);
        Apply(device, new DeviceUpdate
        {
            Peers =
            [
                new PeerUpdate
                {
                    PublicKey = snapshot.PublicKey!.Value,
                    AllowedIps = [new AllowedIpUpdate(prefix)],
                    Endpoint = address is null ? null : Endpoint.From(new IPEndPoint(address, snapshot.ListenPort)),
                },
            ],
        });
    }

    private static void Apply(WireGuardDevice device, DeviceUpdate update)
    {
        if (device.Apply(update) is { } error)
        {
            throw new InvalidOperationException($"{error}");
        }
    }

    private static void WaitUntilListening(NetNamespace host, Process server, CancellationToken stop)
    {
        var start = Stopwatch.GetTimestamp();
        while (!host.Exec("ss", "-Hltn").Contains(":5201 ", StringComparison.Ordinal))
        {
            if (server.HasExited || Stopwatch.GetElapsedTime(start) > Patience)
            {
                End(server);
                throw new InvalidOperationException($"iperf3 does not listen: {server.StandardError.ReadToEnd()}{server.StandardOutput.ReadToEnd()}");
            }

            stop.WaitHandle.WaitOne(50);
            stop.ThrowIfCancellationRequested();
        }
    }

    private static void End(Process? process)
    {
        if (process is { HasExited: false })
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
