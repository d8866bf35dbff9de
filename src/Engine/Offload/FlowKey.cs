using System.Runtime.InteropServices;

namespace WgMesh.Engine.Offload;

/// <summary>What the packets of one flow have in common: addresses, ports, protocol.</summary>
internal readonly struct FlowKey : IEquatable<FlowKey>
{
    private readonly ulong _a; // both addresses of IPv4, or a half of one of IPv6
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;
    private readonly uint _ports;
    private readonly int _kind;

    /// <summary>The flow of a packet whose headers were found.</summary>
    public FlowKey(ReadOnlySpan<byte> packet, in TransportPacket headers)
    {
        var addresses = headers.Addresses(packet);
        _a = MemoryMarshal.Read<ulong>(addresses);
        if (headers.IsIPv6)
        {
            _b = MemoryMarshal.Read<ulong>(addresses[8..]);
            _c = MemoryMarshal.Read<ulong>(addresses[16..]);
            _d = MemoryMarshal.Read<ulong>(addresses[24..]);
        }

        _ports = MemoryMarshal.Read<uint>(packet[headers.TransportOffset..]);
        _kind = (headers.IsIPv6 ? 2 : 0) | (headers.IsTcp ? 1 : 0);
    }

    public bool Equals(FlowKey other) =>
        ((_a ^ other._a) | (_b ^ other._b) | (_c ^ other._c) | (_d ^ other._d)) == 0 && _ports == other._ports && _kind == other._kind;

    public override bool Equals(object? obj) => obj is FlowKey other && Equals(other);

    /// <summary>Seeded anew in each process, so that nobody can make flows collide.</summary>
    public override int GetHashCode()
    {
        var first = HashCode.Combine((uint)_a, (uint)(_a >> 32), _ports, _kind);
        return (_kind & 2) == 0 ? first : HashCode.Combine(first, (uint)_b, (uint)(_b >> 32), (uint)_c, (uint)(_c >> 32), (uint)_d, (uint)(_d >> 32));
    }
}
