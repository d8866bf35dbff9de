using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Routing;

namespace WgMesh.Micro;

/// <summary>Whose a packet is, among 100,000 prefixes of each family: as the data path asks, by the packet's header.</summary>
public class AllowedIpsLookup
{
    private const int Prefixes = 100_000;
    private const int Packets = 1 << 17;

    private readonly AllowedIps<string> _table = new();
    private byte[] _ipv4 = [], _ipv6 = [];

    /// <summary>How many addresses there is traffic for; every prefix is some packet's, or the few that a node speaks to.</summary>
    [Params(64, Packets)]
    public int Flows { get; set; }

    /// <summary>Prefixes and packets at random; every packet is somebody's.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        var ipv4 = Enumerable.Range(0, Prefixes).Select(_ => Prefix.Create((uint)random.NextInt64(), random.Next(24, 33), isIPv6: false)).ToArray();
        var ipv6 = Enumerable.Range(0, Prefixes).Select(_ => Prefix.Create(Address(), random.Next(48, 129), isIPv6: true)).ToArray();
        foreach (var prefix in ipv4.Concat(ipv6))
        {
            _table.Insert(prefix, "somebody");
        }

        _ipv4 = new byte[Packets * IpPacket.IPv4HeaderLength];
        _ipv6 = new byte[Packets * IpPacket.IPv6HeaderLength];
        for (var i = 0; i < Packets; i++)
        {
            var flow = new Random(i % Flows);
            var packet = _ipv4.AsSpan(i * IpPacket.IPv4HeaderLength, IpPacket.IPv4HeaderLength);
            packet[0] = 0x45;
            BinaryPrimitives.WriteUInt32BigEndian(packet[16..], (uint)Within(ipv4[flow.Next(Prefixes)], 32, flow));
            packet = _ipv6.AsSpan(i * IpPacket.IPv6HeaderLength, IpPacket.IPv6HeaderLength);
            packet[0] = 0x60;
            BinaryPrimitives.WriteUInt128BigEndian(packet[24..], Within(ipv6[flow.Next(Prefixes)], 128, flow));
        }

        UInt128 Address() => new((ulong)random.NextInt64() << 1, (ulong)random.NextInt64() << 1);

        static UInt128 Within(Prefix prefix, int bits, Random random)
        {
            var host = prefix.Length == bits ? 0 : UInt128.MaxValue >> (128 - bits + prefix.Length);
            return prefix.Address | (new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64()) & host);
        }
    }

    /// <summary>IPv4.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv4() => LookUp(_ipv4, IpPacket.IPv4HeaderLength);

    /// <summary>IPv6.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv6() => LookUp(_ipv6, IpPacket.IPv6HeaderLength);

    private int LookUp(byte[] packets, int length)
    {
        var found = 0;
        for (var at = 0; at < packets.Length; at += length)
        {
            found += _table.LookupDestination(packets.AsSpan(at, length)) is null ? 0 : 1;
        }

        return found == Packets ? found : throw new InvalidOperationException("A packet is nobody's.");
    }
}
