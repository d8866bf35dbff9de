using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// Takes netlink messages apart. Each method takes the next item off <c>rest</c> and returns false at the end and for malformed input;
/// nothing throws, nothing reads outside the span.
/// </summary>
internal static class NetlinkReader
{
    /// <summary>The next message of a datagram.</summary>
    internal static bool TryReadMessage(
        scoped ref ReadOnlySpan<byte> rest, out LinuxNetlink.MessageHeader header, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (!MemoryMarshal.TryRead(rest, out header)
            || header.Length < Unsafe.SizeOf<LinuxNetlink.MessageHeader>()
            || header.Length > (uint)rest.Length)
        {
            return false;
        }

        payload = rest[Unsafe.SizeOf<LinuxNetlink.MessageHeader>()..(int)header.Length];
        rest = SkipAligned(rest, (int)header.Length);
        return true;
    }

    /// <summary>A message's fixed part; what follows are its attributes.</summary>
    internal static bool TryReadFixed<T>(scoped ref ReadOnlySpan<byte> rest, out T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(rest, out value))
        {
            return false;
        }

        rest = SkipAligned(rest, Unsafe.SizeOf<T>());
        return true;
    }

    /// <summary>The next attribute, its type without the flags for nesting and byte order.</summary>
    internal static bool TryReadAttribute(scoped ref ReadOnlySpan<byte> rest, out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (!MemoryMarshal.TryRead(rest, out LinuxNetlink.AttributeHeader header)
            || header.Length < Unsafe.SizeOf<LinuxNetlink.AttributeHeader>()
            || header.Length > rest.Length)
        {
            return false;
        }

        type = (ushort)(header.Type & LinuxNetlink.TypeMask);
        value = rest[Unsafe.SizeOf<LinuxNetlink.AttributeHeader>()..header.Length];
        rest = SkipAligned(rest, header.Length);
        return true;
    }

    /// <summary>The value of the first attribute of a type, for reading down a path of nested ones; empty if there is none.</summary>
    internal static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> attributes, ushort type)
    {
        while (TryReadAttribute(ref attributes, out var found, out var value))
        {
            if (found == type)
            {
                return value;
            }
        }

        return default;
    }

    /// <summary>A number in host order; 0 if the attribute is too short for it.</summary>
    internal static uint ToUInt32(ReadOnlySpan<byte> value) => MemoryMarshal.TryRead(value, out uint number) ? number : 0;

    /// <summary>Text up to the closing zero.</summary>
    internal static string ToText(ReadOnlySpan<byte> value)
    {
        var end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    /// <summary>An address of the family, which says how long it is.</summary>
    internal static bool TryToAddress(ReadOnlySpan<byte> value, bool isIPv6, out UInt128 address)
    {
        address = 0;
        if (value.Length != (isIPv6 ? 16 : 4))
        {
            return false;
        }

        address = isIPv6 ? BinaryPrimitives.ReadUInt128BigEndian(value) : BinaryPrimitives.ReadUInt32BigEndian(value);
        return true;
    }

    /// <summary>AF_INET or AF_INET6; false for every other family.</summary>
    internal static bool TryToFamily(byte family, out bool isIPv6)
    {
        isIPv6 = family == SysSocket.InterNetworkV6;
        return isIPv6 || family == SysSocket.InterNetwork;
    }

    // the last item may end without padding
    private static ReadOnlySpan<byte> SkipAligned(ReadOnlySpan<byte> rest, int length) => rest[Math.Min(rest.Length, (length + 3) & ~3)..];
}
