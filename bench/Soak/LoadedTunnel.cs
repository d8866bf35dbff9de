using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
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

    private readonly NetNamespace _leftHost = new(), _rightHost = new();
    private readonly WireGuardDevice _left, _right;
    private readonly Process _server, _client;
    private readonly Task<string> _said;

    public LoadedTunnel(TimeSpan length)
    {
        NetNamespace.Connect(_leftHost, _rightHost);
        _leftHost.Ip("addr add 192.0.2.1/24 dev eth0");
        _rightHost.Ip("addr add 192.0.2.2/24 dev eth0");
        _left = Open(_leftHost, "10.0.0.1");
        _right = Open(_rightHost, Right);
        Introduce(_left, _right, Right, IPAddress.Parse("192.0.2.2"));
        Introduce(_right, _left, "10.0.0.1", null);
        _leftHost.Exec("ping", "-q", "-c", "1", "-W", "60", Right);

        _server = Start(_rightHost, "--server", "--one-off", "--interval", "0", "--bind", Right);
        while (!_rightHost.Exec("ss", "-Hltn").Contains(":5201 ", StringComparison.Ordinal))
        {
            Thread.Sleep(50);
        }

        _client = Start(
            _leftHost,
            "--client", Right, "--parallel", "8", "--bidir", "--interval", "0",
            "--time", Math.Ceiling(length.TotalSeconds).ToString(CultureInfo.InvariantCulture));
        _said = _client.StandardError.ReadToEndAsync();
    }

    public bool LoadHasEnded => _client.HasExited;

    /// <summary>Null if the load ended as it should; what iperf3 said otherwise.</summary>
    public string? Failure => _client.ExitCode == 0 ? null : _said.Result;

    public bool WaitForEndOfLoad(TimeSpan limit) => _client.WaitForExit(limit > TimeSpan.Zero ? limit : TimeSpan.Zero);

    /// <summary>What arrived at either end until now.</summary>
    public (ulong Packets, ulong Bytes) Carried()
    {
        using var left = _left.Snapshot();
        using var right = _right.Snapshot();
        return (left.Peers[0].ReceivedPackets + right.Peers[0].ReceivedPackets, left.Peers[0].ReceivedBytes + right.Peers[0].ReceivedBytes);
    }

    public void Dispose()
    {
        foreach (var process in new[] { _client, _server })
        {
            if (!process.HasExited)
            {
                process.Kill();
                process.WaitForExit();
            }

            process.Dispose();
        }

        _left.Dispose();
        _right.Dispose();
        _leftHost.Dispose();
        _rightHost.Dispose();
    }

    private static WireGuardDevice Open(NetNamespace host, string address)
    {
        var device = host.Run(() => WireGuardDevice.Open(new DeviceOptions { Name = Interface }));
        host.Ip($"addr add {address}/24 dev {Interface}");
        host.Ip($"link set {Interface} mtu 1420 up");
        Apply(device, new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) });
        return device;
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

    // what it prints is a few lines, so that its pipe never fills
    private static Process Start(NetNamespace host, params string[] arguments) => host.Start("iperf3", arguments);
}
