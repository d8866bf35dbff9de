using System.Text;
using WgMesh.Engine.Device;
using WgMesh.Engine.Routing;
using WgMesh.Engine.Uapi;

namespace WgMesh.Engine.Tests.Uapi;

public sealed class UapiFormatterTests
{
    private static readonly byte[] KeyBytes = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();
    private static readonly string KeyHex = Convert.ToHexStringLower(KeyBytes);

    [Fact]
    public void A_device_that_is_not_configured_has_nothing_but_its_errno() =>
        Assert.Equal("errno=0\n\n", Format(Device()));

    [Fact]
    public void Everything_set_is_told_in_the_order_of_wireguard_go()
    {
        var device = Device() with
        {
            PrivateKey = new SecretKey(KeyBytes),
            ListenPort = 51820,
            FirewallMark = 0xca6c,
            Peers =
            [
                Peer() with
                {
                    PresharedKey = new SecretKey(KeyBytes),
                    Endpoint = new Endpoint(0xc0000201, 7, false),
                    PersistentKeepalive = 25,
                    AllowedIps = [Prefix.Create(0x0a000000, 8, false), Prefix.Create(UInt128.One, 128, true)],
                    LastHandshake = new DateTimeOffset(2026, 11, 21, 1, 2, 3, TimeSpan.FromHours(2)).AddTicks(1_234_567),
                    SentBytes = ulong.MaxValue,
                    ReceivedBytes = 1,
                },
            ],
        };
        Assert.Equal(
            $"""
            private_key={KeyHex}
            listen_port=51820
            fwmark=51820
            public_key={KeyHex}
            preshared_key={KeyHex}
            protocol_version=1
            endpoint=192.0.2.1:7
            last_handshake_time_sec=1795215723
            last_handshake_time_nsec=123456700
            tx_bytes=18446744073709551615
            rx_bytes=1
            persistent_keepalive_interval=25
            allowed_ip=10.0.0.0/8
            allowed_ip=::1/128
            errno=0


            """,
            Format(device));
    }

    [Fact]
    public void A_peer_without_anything_has_zeros_and_no_endpoint() =>
        Assert.Equal(
            $"""
            public_key={KeyHex}
            preshared_key={new string('0', 64)}
            protocol_version=1
            last_handshake_time_sec=0
            last_handshake_time_nsec=0
            tx_bytes=0
            rx_bytes=0
            persistent_keepalive_interval=0
            errno=0


            """,
            Format(Device() with { Peers = [Peer()] }));

    [Fact]
    public void The_longest_lines_fit_the_buffer_so_that_no_copy_of_a_key_is_left_behind()
    {
        var endpoint = new Endpoint(UInt128.MaxValue, 65535, true, uint.MaxValue);
        var prefix = Prefix.Create(UInt128.MaxValue, 128, true);
        var peer = Peer() with
        {
            PresharedKey = new SecretKey(KeyBytes), Endpoint = endpoint, PersistentKeepalive = 65535, ProtocolVersion = uint.MaxValue,
            LastHandshake = DateTimeOffset.MaxValue, SentBytes = ulong.MaxValue, ReceivedBytes = ulong.MaxValue,
            AllowedIps = [.. Enumerable.Repeat(prefix, 100)],
        };
        var device = Device() with
        {
            PrivateKey = new SecretKey(KeyBytes), ListenPort = 65535, FirewallMark = uint.MaxValue, Peers = [.. Enumerable.Repeat(peer, 100)],
        };
        var shortest = Device() with { Peers = [.. device.Peers.Select(p => Peer() with { AllowedIps = p.AllowedIps })] };
        var answer = UapiFormatter.Format(device);
        Assert.Equal(UapiFormatter.Format(shortest).Capacity, answer.Capacity);
        Assert.EndsWith("errno=0\n\n", Encoding.ASCII.GetString(answer.WrittenSpan), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "errno=0\n\n")]
    [InlineData(DeviceError.InvalidArgument, "errno=-22\n\n")]
    [InlineData(DeviceError.AddressInUse, "errno=-98\n\n")]
    public void Errors_are_negative_on_the_wire(int errno, string expected) =>
        Assert.Equal(expected, Encoding.ASCII.GetString(UapiFormatter.FormatErrno(errno)));

    [Fact]
    public void What_get_prints_can_be_set_again()
    {
        var random = new Random(4);
        var original = Device() with
        {
            PrivateKey = RandomKey(random),
            ListenPort = (ushort)random.Next(1, 65536),
            FirewallMark = (uint)random.Next(1, int.MaxValue),
            Peers = [.. Enumerable.Range(0, 200).Select(_ => RandomPeer(random))],
        };
        var settable = Format(original).Split('\n')
            .Where(line => !line.StartsWith("last_", StringComparison.Ordinal) && !line.StartsWith("tx_", StringComparison.Ordinal)
                && !line.StartsWith("rx_", StringComparison.Ordinal) && !line.StartsWith("errno", StringComparison.Ordinal));
        var update = UapiParser.Parse(Encoding.ASCII.GetBytes(string.Join('\n', settable))).Update!;

        Assert.Equal((original.PrivateKey, original.ListenPort, original.FirewallMark), (update.PrivateKey, update.ListenPort, update.FirewallMark));
        Assert.Equal(original.Peers.Length, update.Peers.Count);
        foreach (var (peer, set) in original.Peers.Zip(update.Peers))
        {
            Assert.Equal(peer.PublicKey, set.PublicKey);
            Assert.Equal(peer.PresharedKey ?? new SecretKey(new byte[32]), set.PresharedKey);
            Assert.Equal(peer.Endpoint, set.Endpoint.GetValueOrDefault());
            Assert.Equal(peer.PersistentKeepalive, set.PersistentKeepalive);
            Assert.Equal(peer.AllowedIps, set.AllowedIps.Select(ip => ip.Prefix));
        }
    }

    private static string Format(DeviceSnapshot device) => Encoding.ASCII.GetString(UapiFormatter.Format(device).WrittenSpan);

    private static DeviceSnapshot Device() => new() { Name = "wg0", ListenPort = 0, FirewallMark = 0, Mtu = 1420, Peers = [] };

    private static PeerSnapshot Peer() => new()
    {
        PublicKey = new PublicKey(KeyBytes), Name = "peer", Endpoint = default, PersistentKeepalive = 0, AllowedIps = [],
        ReceivedBytes = 0, SentBytes = 0, ReceivedPackets = 0, SentPackets = 0, ProtocolVersion = 1,
    };

    private static PeerSnapshot RandomPeer(Random random) => Peer() with
    {
        PublicKey = new PublicKey(RandomKey(random).Bytes),
        PresharedKey = random.Next(2) == 0 ? RandomKey(random) : null,
        Endpoint = random.Next(3) switch
        {
            0 => default,
            1 => new Endpoint((uint)random.Next(), (ushort)random.Next(1, 65536), false),
            _ => new Endpoint(new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()), (ushort)random.Next(1, 65536), true),
        },
        PersistentKeepalive = (ushort)random.Next(65536),
        AllowedIps =
        [
            .. Enumerable.Range(0, random.Next(5)).Select(i => i % 2 == 0
                ? Prefix.Create((uint)random.Next(), random.Next(33), false)
                : Prefix.Create(new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()), random.Next(129), true)),
        ],
    };

    private static SecretKey RandomKey(Random random)
    {
        var bytes = new byte[32];
        random.NextBytes(bytes);
        return new SecretKey(bytes);
    }
}
