using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Routing;

namespace WgMesh.Micro;

/// <summary>
/// Whose a packet is, among 100,000 prefixes of each family: as the data path asks, by the header of a packet that it has just read. The address is computed
/// and not taken from a list, which would drive the table out of the processor's caches as no traffic does; that is in each figure.
/// </summary>
public class AllowedIpsLookup
{
    private const int Prefixes = 100_000;
    private const int Packets = 1 << 16;
    private const int NearlyAll = Packets * 95 / 100; // some addresses outside are in a prefix by chance
    private const string Somebody = "somebody", WayOut = "the way out";

    private readonly AllowedIps<string> _table = new();
    private readonly byte[] _ipv4 = new byte[IpPacket.IPv4HeaderLength], _ipv6 = new byte[IpPacket.IPv6HeaderLength];
    private ulong _packets;

    /// <summary>How many addresses there is traffic for, chosen at random for every packet: a few, or one in every prefix.</summary>
    [Params(64, Prefixes)]
    public int Flows { get; set; }

    /// <summary>Prefixes at random, of the lengths that pods, nodes and networks have.</summary>
    [GlobalSetup]
    public void Setup()
    {
        for (var flow = 0; flow < Prefixes; flow++)
        {
            var length = 24 + (int)(Mixed((ulong)flow) % 9);
            _table.Insert(Prefix.Create(IPv4Address(flow), length, isIPv6: false), Somebody);
            length = 48 + (int)(Mixed((ulong)flow) % 81);
            _table.Insert(Prefix.Create(IPv6Address(flow), length, isIPv6: true), Somebody);
        }

        _table.Insert(Prefix.Create(0, 0, isIPv6: false), WayOut);
        _table.Insert(Prefix.Create(0, 0, isIPv6: true), WayOut);

        _ipv4[0] = 0x45;
        _ipv6[0] = 0x60;
    }

    /// <summary>IPv4.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv4() => LookUpIPv4(0, Somebody, Packets);

    /// <summary>IPv6.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv6() => LookUpIPv6(0, Somebody, Packets);

    /// <summary>IPv4, of addresses that hardly any prefix contains but the one of all addresses: a node that leads out.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv4Out() => LookUpIPv4(Prefixes, WayOut, NearlyAll);

    /// <summary>The same for IPv6.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int IPv6Out() => LookUpIPv6(Prefixes, WayOut, NearlyAll);

    private int LookUpIPv4(int firstFlow, string owner, int least)
    {
        var found = 0;
        for (var i = 0; i < Packets; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(_ipv4.AsSpan(16), IPv4Address(firstFlow + NextFlow()));
            found += _table.LookupDestination(_ipv4) == (object)owner ? 1 : 0;
        }

        return Checked(found, least);
    }

    private int LookUpIPv6(int firstFlow, string owner, int least)
    {
        var found = 0;
        for (var i = 0; i < Packets; i++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(_ipv6.AsSpan(24), IPv6Address(firstFlow + NextFlow()));
            found += _table.LookupDestination(_ipv6) == (object)owner ? 1 : 0;
        }

        return Checked(found, least);
    }

    private int NextFlow() => (int)Math.BigMul(Mixed(_packets++), (ulong)Flows, out _);

    private static uint IPv4Address(int flow) => (uint)Mixed((ulong)flow + (1UL << 32));

    private static UInt128 IPv6Address(int flow) => new(Mixed((ulong)flow + (2UL << 32)), Mixed((ulong)flow + (3UL << 32)));

    // SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014)
    private static ulong Mixed(ulong value)
    {
        value = (value + 1) * 0x9e3779b97f4a7c15;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }

    private static int Checked(int found, int least) => found >= least ? found : throw new InvalidOperationException($"Only {found} packets had their owner.");
}
