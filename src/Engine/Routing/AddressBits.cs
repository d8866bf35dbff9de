using System.Numerics;

namespace WgMesh.Engine.Routing;

/// <summary>An address as the trie sees it: bits, of which bit 0 is the most significant. And how they are kept in its memory.</summary>
internal interface IAddressBits<TSelf>
    where TSelf : struct, IAddressBits<TSelf>
{
    /// <summary>Words of a slot in <see cref="AllowedIpsMemory{TBits}"/>.</summary>
    static abstract int SlotWords { get; }

    /// <summary>The address in a slot, whose first word was read already.</summary>
    static abstract TSelf Read(ulong[] words, int slot, ulong first);

    /// <summary>What of the address is in a slot's first word.</summary>
    ulong InFirstWord { get; }

    /// <summary>Writes what of the address is behind a slot's first word.</summary>
    void WriteBehind(ulong[] words, int slot);

    /// <summary>The six bits from a position on, 0-63; zeros beyond the address, and beyond the 64-bit word that the position is in.</summary>
    int SixBits(int position);

    /// <summary>How many leading bits two addresses have in common.</summary>
    int CommonWith(TSelf other);

    /// <summary>The prefix of that length.</summary>
    Prefix ToPrefix(int length);
}

/// <summary>An IPv4 address.</summary>
internal readonly record struct IPv4Bits(uint Value) : IAddressBits<IPv4Bits>
{
    public static int SlotWords => 1;

    public static IPv4Bits From(UInt128 address) => new((uint)address);

    public static IPv4Bits Read(ulong[] words, int slot, ulong first) => new((uint)(first >> 32));

    public ulong InFirstWord => (ulong)Value << 32;

    public void WriteBehind(ulong[] words, int slot)
    {
    }

    public int SixBits(int position) => (int)(((ulong)Value << (32 + position)) >> 58);

    public int CommonWith(IPv4Bits other) => BitOperations.LeadingZeroCount(Value ^ other.Value);

    public Prefix ToPrefix(int length) => Prefix.Create(Value, length, isIPv6: false);
}

/// <summary>An IPv6 address as two words: arithmetic of UInt128 takes several times as long.</summary>
internal readonly record struct IPv6Bits(ulong High, ulong Low) : IAddressBits<IPv6Bits>
{
    public static int SlotWords => 3;

    public static IPv6Bits From(UInt128 address) => new((ulong)(address >> 64), (ulong)address);

    public static IPv6Bits Read(ulong[] words, int slot, ulong first) => new(words[slot + 1], words[slot + 2]);

    public ulong InFirstWord => 0;

    public void WriteBehind(ulong[] words, int slot) => (words[slot + 1], words[slot + 2]) = (High, Low);

    // a shift takes its count modulo 64, so one expression serves both words
    public int SixBits(int position) => (int)(((position < 64 ? High : Low) << position) >> 58);

    public int CommonWith(IPv6Bits other) => High == other.High
        ? 64 + BitOperations.LeadingZeroCount(Low ^ other.Low)
        : BitOperations.LeadingZeroCount(High ^ other.High);

    public Prefix ToPrefix(int length) => Prefix.Create(new UInt128(High, Low), length, isIPv6: true);
}
