using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// Writes one netlink message into a buffer: header, fixed part, attributes, each aligned to four bytes (RFC 3549, section 2.2).
/// All requests made here are far shorter than <see cref="MaxLength"/>, so a full buffer is a mistake in the code and throws.
/// </summary>
internal ref struct NetlinkWriter
{
    /// <summary>Room enough for every request made here.</summary>
    internal const int MaxLength = 512;

    private readonly Span<byte> _buffer;
    private int _length;

    internal NetlinkWriter(Span<byte> buffer, ushort type, int flags)
    {
        _buffer = buffer;
        Append(new LinuxNetlink.MessageHeader { Type = type, Flags = (ushort)flags });
    }

    /// <summary>The message with its length set; the sequence number is the socket's to set.</summary>
    internal readonly Span<byte> Message
    {
        get
        {
            MemoryMarshal.Write(_buffer, (uint)_length);
            return _buffer[.._length];
        }
    }

    /// <summary>A fixed part.</summary>
    internal void Append<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(_buffer[_length..], value);
        Advance(Unsafe.SizeOf<T>());
    }

    internal void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        var mark = Begin(type);
        value.CopyTo(_buffer[_length..]);
        _length += value.Length;
        End(mark);
    }

    internal void Attribute<T>(ushort type, T value)
        where T : unmanaged => Attribute(type, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <summary>With the closing zero that the kernel wants.</summary>
    internal void Attribute(ushort type, string value) => Attribute(type, Encoding.UTF8.GetBytes(value + '\0'));

    /// <summary>An address: 4 or 16 bytes in network order.</summary>
    internal void Attribute(ushort type, UInt128 address, bool isIPv6)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, address);
        Attribute(type, isIPv6 ? bytes : bytes[12..]);
    }

    /// <summary>Starts an attribute that holds what is written before <see cref="End"/> is called with the value returned.</summary>
    internal int Begin(ushort type)
    {
        var mark = _length;
        Append(new LinuxNetlink.AttributeHeader { Type = type });
        return mark;
    }

    /// <inheritdoc cref="Begin"/>
    internal void End(int mark)
    {
        MemoryMarshal.Write(_buffer[mark..], (ushort)(_length - mark));
        Advance(0);
    }

    private void Advance(int count)
    {
        var end = _length + count;
        _length = (end + 3) & ~3;
        _buffer[end.._length].Clear();
    }
}
