using System.Net;

namespace WgMesh.Engine;

/// <summary>Where a peer's datagrams go to and come from: an IPv4 or IPv6 address and a UDP port. Compared by value.</summary>
/// <param name="Address">IPv4 addresses in the low 32 bits.</param>
/// <param name="Port">UDP port; 0 only in <c>default</c>, which stands for "unknown".</param>
/// <param name="IsIPv6">The family of <paramref name="Address"/>.</param>
/// <param name="ScopeId">Interface index of a link-local IPv6 address, else 0.</param>
public readonly record struct Endpoint(UInt128 Address, ushort Port, bool IsIPv6, uint ScopeId = 0)
{
    /// <summary>False for <c>default</c>: the peer's endpoint is not known.</summary>
    public bool IsKnown => Port != 0;

    /// <summary>From the framework's type; IPv4-mapped IPv6 addresses become IPv4.</summary>
    public static Endpoint From(IPEndPoint endpoint)
    {
        var address = endpoint.Address.IsIPv4MappedToIPv6 ? endpoint.Address.MapToIPv4() : endpoint.Address;
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        return written == 4
            ? new Endpoint(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes), (ushort)endpoint.Port, false)
            : new Endpoint(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes), (ushort)endpoint.Port, true, (uint)address.ScopeId);
    }

    /// <summary>To the framework's type.</summary>
    public IPEndPoint ToIPEndPoint() => new(ToIPAddress(), Port);

    /// <summary>The address as the framework's type.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (IsIPv6)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, Address);
            return new IPAddress(bytes, ScopeId);
        }

        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)Address);
        return new IPAddress(bytes[..4]);
    }

    /// <summary>Parses <c>192.0.2.1:51820</c> or <c>[2001:db8::1]:51820</c>; names are not resolved.</summary>
    public static bool TryParse(string text, out Endpoint endpoint)
    {
        // the port is required (IPEndPoint would take a bare address as port 0), and so is the dotted quad (it would take octal)
        var ok = IPEndPoint.TryParse(text, out var parsed) && parsed.Port != 0
            && (text.StartsWith('[') || text.StartsWith($"{parsed.Address}:", StringComparison.Ordinal));
        endpoint = ok ? From(parsed!) : default;
        return ok;
    }

    /// <summary><c>192.0.2.1:51820</c> or <c>[2001:db8::1]:51820</c>.</summary>
    public override string ToString() => IsKnown ? ToIPEndPoint().ToString() : "";
}
