using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace WgMesh.Engine.Routing;

/// <summary>An IPv4 or IPv6 prefix without host bits. Compared by value.</summary>
public readonly record struct Prefix
{
    private Prefix(UInt128 address, byte length, bool isIPv6)
    {
        Address = address;
        Length = length;
        IsIPv6 = isIPv6;
    }

    /// <summary>Network address; IPv4 in the low 32 bits. Bits beyond <see cref="Length"/> are zero.</summary>
    public UInt128 Address { get; }

    /// <summary>Prefix length: 0-32 for IPv4, 0-128 for IPv6.</summary>
    public byte Length { get; }

    /// <summary>The family.</summary>
    public bool IsIPv6 { get; }

    /// <summary>Number of address bits in the family: 32 or 128.</summary>
    public int Bits => IsIPv6 ? 128 : 32;

    /// <summary>Makes a prefix; host bits are cleared, as <c>wg</c> and the kernel do.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is larger than the family's.</exception>
    public static Prefix Create(UInt128 address, int length, bool isIPv6)
    {
        var bits = isIPv6 ? 128 : 32;
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, bits);
        var mask = length == 0 ? UInt128.Zero : UInt128.MaxValue << (bits - length);
        return new Prefix(address & mask & (isIPv6 ? UInt128.MaxValue : uint.MaxValue), (byte)length, isIPv6);
    }

    /// <summary>From an address and a length; host bits are cleared.</summary>
    public static Prefix Create(IPAddress address, int length)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        return written == 4
            ? Create(BinaryPrimitives.ReadUInt32BigEndian(bytes), length, false)
            : Create(BinaryPrimitives.ReadUInt128BigEndian(bytes), length, true);
    }

    /// <summary>Parses <c>10.0.0.0/8</c>, <c>fd00::/8</c>, or an address alone, which is a prefix of full length. Host bits are cleared.</summary>
    public static bool TryParse(string text, out Prefix prefix)
    {
        prefix = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var addressText = slash < 0 ? text : text[..slash];
        // IPAddress would also take "10.1", "0x0a000001", octal "010.0.0.1" and scopes
        if (!IPAddress.TryParse(addressText, out var address)
            || (addressText.Contains(':', StringComparison.Ordinal) ? addressText.AsSpan().ContainsAny("%[") : address.ToString() != addressText))
        {
            return false;
        }

        var bits = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? 128 : 32;
        var length = bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bits))
        {
            return false;
        }

        prefix = Create(address, length);
        return true;
    }

    /// <summary>Whether an address of the same family (IPv4 in the low 32 bits) lies within.</summary>
    public bool Contains(UInt128 address) => Length == 0 || ((Address ^ address) >> (Bits - Length)) == UInt128.Zero;

    /// <summary>Whether the two share an address.</summary>
    public bool Overlaps(Prefix other) => IsIPv6 == other.IsIPv6 && (Length <= other.Length ? Contains(other.Address) : other.Contains(Address));

    /// <summary><c>10.0.0.0/8</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{new Endpoint(Address, 0, IsIPv6).ToIPAddress()}/{Length}");
}
