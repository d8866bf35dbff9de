using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>net/if.h</c> and the interface requests of <c>bits/ioctls.h</c>.</summary>
internal static class NetIf
{
    /// <summary>IFNAMSIZ: the longest name of an interface, with its closing zero byte.</summary>
    internal const int NameSize = 16;

    internal const nuint GetMtu = 0x8921; // SIOCGIFMTU

    [InlineArray(NameSize)]
    internal struct Name
    {
        private byte _first;
    }

    /// <summary><c>struct ifreq</c>: a name, and a union of which flags (16 bits) and MTU (32 bits) are used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 40)]
    internal struct InterfaceRequest
    {
        [FieldOffset(0)] internal Name Name;
        [FieldOffset(16)] internal ushort Flags;
        [FieldOffset(16)] internal int Mtu;

        internal readonly string GetName()
        {
            ReadOnlySpan<byte> bytes = Name;
            var end = bytes.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
        }

        internal void SetName(string name)
        {
            Span<byte> bytes = Name;
            bytes.Clear();
            Encoding.UTF8.GetBytes(name, bytes[..(NameSize - 1)]);
        }
    }
}
