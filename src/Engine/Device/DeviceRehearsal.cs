using System.Security.Cryptography;
using WgMesh.Engine.Crypto.Kernels;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Device;

/// <summary>
/// A handshake and a packet each way between two ends in memory. Whoever does it once before a device is opened finds the code compiled when
/// packets wait for it. Nothing of it reaches a network, and its keys are made for it.
/// </summary>
public static class DeviceRehearsal
{
    private static readonly Endpoint Somewhere = new(0x7F000001u, 1, false);

    /// <summary>Does it.</summary>
    /// <returns>Whether the packets arrived.</returns>
    /// <exception cref="PlatformNotSupportedException">As for <see cref="WireGuardDevice.Open"/>.</exception>
    public static bool Run()
    {
        AeadChoice.Require(); // its self-test goes every way through the kernel, which these packets do not
        using var random = RandomNumberGenerator.Create();
        var left = new End(random);
        var right = new End(random);
        left.Know(right);
        right.Know(left);
        return left.SendTo(right) && right.SendTo(left);
    }

    /// <summary>One of the two.</summary>
    private sealed class End
    {
        // an IPv4 header of 20 bytes and nothing behind it; for whom it is all the same
        private static readonly byte[] Packet = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];

        private static readonly AllowedIpUpdate Everything = new(Prefix.Create(0, 0, isIPv6: false));

        private readonly ProtocolCore _core;
        private readonly Outbox _outbox = new();

        internal End(RandomNumberGenerator random)
        {
            _core = new ProtocolCore(BootClock.Instance, random);
            using var key = new SecretKey(RandomNumberGenerator.GetBytes(SecretKey.Length));
            _core.Apply(new DeviceUpdate { PrivateKey = key }, Now, _outbox);
        }

        private static Instant Now => Instant.Now(BootClock.Instance);

        internal void Know(End other) => _core.Apply(
            new DeviceUpdate
            {
                Peers = [new PeerUpdate { PublicKey = other._core.Identity!.PublicKey, Endpoint = Somewhere, ReplaceAllowedIps = true, AllowedIps = [Everything] }],
            },
            Now,
            _outbox);

        internal bool SendTo(End other)
        {
            _core.Send(Packet, Now, _outbox);
            var arrived = false;
            while (_outbox.Count + other._outbox.Count > 0)
            {
                arrived |= other.Take(_outbox);
                Take(other._outbox);
            }

            return arrived;
        }

        private bool Take(Outbox from)
        {
            var datagrams = from.Datagrams.ToArray().Select(datagram => from.Bytes(datagram).ToArray()).ToList();
            from.Clear();
            var arrived = false;
            foreach (var datagram in datagrams)
            {
                var type = Messages.Classify(datagram);
                if (type == MessageType.Transport)
                {
                    _core.ReceiveTransport(datagram, Somewhere, Now, _outbox, out _, out var length);
                    arrived |= length > 0;
                }
                else
                {
                    _core.ReceiveHandshake(type, datagram, Somewhere, backlog: 0, Now, _outbox);
                }
            }

            return arrived;
        }
    }
}
