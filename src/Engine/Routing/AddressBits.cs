using System.Numerics;

namespace WgMesh.Engine.Routing;

/// <summary>An address as the trie sees it: bits, of which bit 0 is the most significant. And how its memory keeps them.</summary>
internal interface IAddressBits<TSelf>
    where TSelf : struct, IAddressBits<TSelf>
{
    /// <summary>The address is in the slot itself. Otherwise the slot has its index in a table.</summary>
    static abstract bool IsInSlot { get; }

    /// <summary>The address that a slot has.</summary>
    static abstract TSelf Read(TSelf[] table, uint inSlot);

    /// <summary>Writes the address to the table, if it is not in the slot, as the next one of so many that are there.</summary>
    /// <returns>What the slot has of it.</returns>
    uint Keep(TSelf[] table, ref int count);

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
    public static bool IsInSlot => true;

    public static IPv4Bits From(UInt128 address) => new((uint)address);

    public static IPv4Bits Read(IPv4Bits[] table, uint inSlot) => new(inSlot);

    public uint Keep(IPv4Bits[] table, ref int count) => Value;

    public int SixBits(int position) => (int)(((ulong)Value << (32 + position)) >> 58);

    public int CommonWith(IPv4Bits other) => BitOperations.LeadingZeroCount(Value ^ other.Value);

    public Prefix ToPrefix(int length) => Prefix.Create(Value, length, isIPv6: false);
}

/// <summary>An IPv6 address as two words: arithmetic of UInt128 takes several times as long.</summary>
internal readonly record struct IPv6Bits(ulong High, ulong Low) : IAddressBits<IPv6Bits>
{
    public static bool IsInSlot => false;

    public static IPv6Bits From(UInt128 address) => new((ulong)(address >> 64), (ulong)address);

    public static IPv6Bits Read(IPv6Bits[] table, uint inSlot) => table[inSlot];

    public uint Keep(IPv6Bits[] table, ref int count)
    {
        table[count] = this;
        return (uint)count++;
    }

    // a shift takes its count modulo 64, so one expression serves both words
    public int SixBits(int position) => (int)(((position < 64 ? High : Low) << position) >> 58);

    public int CommonWith(IPv6Bits other) => High == other.High
        ? 64 + BitOperations.LeadingZeroCount(Low ^ other.Low)
        : BitOperations.LeadingZeroCount(High ^ other.High);

    public Prefix ToPrefix(int length) => Prefix.Create(new UInt128(High, Low), length, isIPv6: true);
}
