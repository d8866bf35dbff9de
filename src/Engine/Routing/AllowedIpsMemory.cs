using System.Diagnostics;
using System.Numerics;

namespace WgMesh.Engine.Routing;

/// <summary>
/// The nodes of a trie in one array of words, so small that those of 100,000 prefixes stay in a processor's caches. A node is a tree bitmap (W. Eatherton,
/// G. Varghese, Z. Dittia, "Tree bitmap: hardware/software IP lookups with incremental updates", 2004): it tells addresses apart by six bits, its
/// stride, and has the prefixes that end within these.
/// </summary>
/// <remarks>
/// <code>
/// node  a word of children: bit n, something goes on where the stride is n
///       a word of prefixes: bit 2^k + n, one ends behind the first k bits of the stride, whose value is n (so longer ones have higher bits)
///       a slot for each bit that is set: the children's, then the prefixes'
/// slot  bits 0-7 length; bit 8 whether it is a node; bits 9-31 index of the node, or number of the prefix's owner;
///       bits 32-63 the address: IPv4 itself, of IPv6 the index in a table
/// </code>
/// With its length a slot's address is the prefix, or what all prefixes in the node begin with, up to the stride: so paths are compressed. Strides
/// begin at the multiples of 6 up to 60, and 64 bits behind these, so that none lies across two words of an address. The first word is the root's slot.
/// <para>
/// Readers take no lock, for what they can reach never changes but in slots, whose one word says at any moment what is right for all addresses that lead to it.
/// All else is written before such a word leads to it. No word behind the root, no index and no number is used twice: when all are, the trie moves
/// to another memory, and this one stays as it is for those who still read it.
/// </para>
/// </remarks>
internal sealed class AllowedIpsMemory<TBits>
    where TBits : struct, IAddressBits<TBits>
{
    /// <summary>The slot that leads to all others.</summary>
    public const int Root = 0;

    private const int Stride = 6;
    private const int HeaderWords = 2;
    private const ulong NodeFlag = 0x100;
    private const int ValueShift = 9;
    private const int AddressShift = 32;
    private const int ValueLimit = 1 << (AddressShift - ValueShift);

    // What one change takes at most: a node with each of 64 children and 63 prefixes.
    private const int WordsOfChange = HeaderWords + 127;

    // Tables whose entries run out with prefixes or owners that come and go get one for so many words: rarely enough to pay for the words that then move.
    private const int WordsOfEntry = 16;

    // For each value of a stride the bits of the prefixes that it lies in.
    private static readonly ulong[] Enclosing = [.. Enumerable.Range(0, 1 << Stride).Select(value =>
        Enumerable.Range(0, Stride).Aggregate(0UL, (bits, length) => bits | PrefixBit(value, length)))];

    private readonly ulong[] _words;
    private readonly TBits[] _addresses;
    private readonly object?[] _owners;
    private int _usedWords = 1; // the root of an empty trie says that all addresses are owner 0's, who is nobody
    private int _usedAddresses = 1;
    private int _usedOwners = 1;
    private int _garbageWords;

    /// <summary>An empty one, with space for so much, half of that more, and a few changes.</summary>
    /// <remarks>Slots can refer to 2^23 words: <see cref="AllowedIpsTrie{TBits}.Capacity"/> stays below that.</remarks>
    public AllowedIpsMemory(int words, int prefixes, int owners)
    {
        _words = new ulong[words + (words / 2) + (2 * WordsOfChange)];
        _addresses = new TBits[TBits.IsInSlot ? 0 : prefixes + (prefixes / 2) + (words / WordsOfEntry) + 16];
        _owners = new object?[owners + (owners / 2) + (words / WordsOfEntry) + 16];
        Debug.Assert(_words.Length <= ValueLimit && _owners.Length <= ValueLimit, "The trie holds no more than its capacity.");
    }

    /// <summary>Words that the root leads to, and its own.</summary>
    public int LiveWords => _usedWords - _garbageWords;

    /// <summary>Whether there is space for any one change.</summary>
    public bool HasRoom =>
        _words.Length - _usedWords >= WordsOfChange && _usedOwners < _owners.Length && (TBits.IsInSlot || _usedAddresses < _addresses.Length);

    /// <summary>How many numbers of owners were given, 0 among them.</summary>
    public int UsedOwners => _usedOwners;

    /// <summary>Nothing is in it.</summary>
    public bool IsEmpty => _words[Root] == 0;

    /// <summary>Number of the owner of the longest prefix that contains an address, or 0. For any thread at any time.</summary>
    public int Find(TBits address)
    {
        // All prefixes that contain the address are on the way on which its own bits lead: it is gone without a look at what else is in their addresses,
        // which is elsewhere in memory. If the last prefix on the way contains the address, it is the longest that does; if not, then the one before.
        var words = _words;
        var slot = Volatile.Read(ref words[Root]);
        var longest = 0UL;
        while ((slot & NodeFlag) != 0)
        {
            var node = Value(slot);
            var stride = address.SixBits((byte)slot);
            var children = words[node];
            var prefixes = words[node + 1] & Enclosing[stride];
            if (prefixes != 0)
            {
                longest = Volatile.Read(ref words[Slot(node, PrefixIndex(node, 1UL << BitOperations.Log2(prefixes)))]);
            }

            var child = 1UL << stride;
            if ((children & child) == 0)
            {
                slot = longest;
                break;
            }

            slot = Volatile.Read(ref words[Slot(node, BitOperations.PopCount(children & (child - 1)))]);
        }

        return Contains(slot, address) ? Value(slot)
            : Contains(longest, address) ? Value(longest)
            : FindShorter(address);
    }

    /// <summary>An owner by its number; null if it has gone.</summary>
    public object? Owner(int number) => Volatile.Read(ref _owners[number]);

    /// <summary>Gives an owner a number.</summary>
    public int AddOwner(object owner)
    {
        _owners[_usedOwners] = owner;
        return _usedOwners++;
    }

    /// <summary>Forgets an owner, to which no slot refers any more.</summary>
    public void RemoveOwner(int number) => Volatile.Write(ref _owners[number], null);

    /// <summary>A prefix with its owner, for a slot.</summary>
    public AllowedIpsItem<TBits> NewPrefix(TBits bits, int length, int owner) =>
        new(bits, bits.Keep(_addresses, ref _usedAddresses), length, false, owner);

    /// <summary>What is in a slot.</summary>
    public AllowedIpsItem<TBits> Read(int slot)
    {
        var word = _words[slot];
        return new(Address(word), (uint)(word >> AddressShift), (byte)word, (word & NodeFlag) != 0, Value(word));
    }

    /// <summary>The slot in a node for a prefix, or for what leads to it.</summary>
    /// <returns>False if there is none.</returns>
    public bool TryFindSlot(AllowedIpsItem<TBits> node, TBits bits, int length, out int slot)
    {
        var (isPrefix, bit, index) = Place(node, bits, length);
        slot = Slot(node.Value, index);
        return (_words[node.Value + (isPrefix ? 1 : 0)] & bit) != 0;
    }

    /// <summary>Publishes an item in a slot in use.</summary>
    public void Replace(int slot, AllowedIpsItem<TBits> item) => Volatile.Write(ref _words[slot], Word(item));

    /// <summary>Publishes that there is nothing any more.</summary>
    public void Clear() => Volatile.Write(ref _words[Root], 0);

    /// <summary>A new node for two items that part, or of which one ends, after so many bits in common.</summary>
    public AllowedIpsItem<TBits> Join(AllowedIpsItem<TBits> one, AllowedIpsItem<TBits> other, int common) =>
        With(With(new(one.Bits, one.Address, PositionOf(common), true, Allocate(HeaderWords)), one), other);

    /// <summary>The node with one item more.</summary>
    public AllowedIpsItem<TBits> With(AllowedIpsItem<TBits> node, AllowedIpsItem<TBits> item)
    {
        var (isPrefix, bit, index) = Place(node, item.Bits, item.Length);
        var copy = Copy(node, index, 0, 1);
        _words[copy.Value + (isPrefix ? 1 : 0)] |= bit;
        _words[Slot(copy.Value, index)] = Word(item);
        return copy;
    }

    /// <summary>The node without one of its items; if it had two, the other one, which needs no node.</summary>
    public AllowedIpsItem<TBits> Without(AllowedIpsItem<TBits> node, AllowedIpsItem<TBits> item)
    {
        var (isPrefix, bit, index) = Place(node, item.Bits, item.Length);
        if (SlotCount(node.Value) == 2)
        {
            _garbageWords += HeaderWords + 2;
            return Read(Slot(node.Value, 1 - index));
        }

        var copy = Copy(node, index, 1, 0);
        _words[copy.Value + (isPrefix ? 1 : 0)] &= ~bit;
        return copy;
    }

    /// <summary>Copies what the root leads to into an empty memory; by owners' numbers here those there are handed in.</summary>
    public void CopyTo(AllowedIpsMemory<TBits> target, int[] numbers)
    {
        if (!IsEmpty)
        {
            target.Replace(Root, Moved(Read(Root)));
        }

        AllowedIpsItem<TBits> Moved(AllowedIpsItem<TBits> item)
        {
            if (!item.IsNode)
            {
                return target.NewPrefix(item.Bits, item.Length, numbers[item.Value]);
            }

            var count = SlotCount(item.Value);
            var node = target.Allocate(HeaderWords + count);
            _words.AsSpan(item.Value, HeaderWords).CopyTo(target._words.AsSpan(node));
            for (var index = 0; index < count; index++)
            {
                var below = Moved(Read(Slot(item.Value, index)));
                target._words[Slot(node, index)] = Word(below);
                item = item with { Address = below.Address }; // whose address it had may be gone
            }

            return item with { Value = node };
        }
    }

    /// <summary>Number of nodes that the root leads to, for tests of compression.</summary>
    /// <exception cref="InvalidOperationException">It leads to other words than <see cref="LiveWords"/> says.</exception>
    internal int CountNodes()
    {
        var (nodes, words) = Below(Read(Root));
        return words + 1 == LiveWords ? nodes : throw new InvalidOperationException($"The root leads to {words} words, and {LiveWords - 1} are said to be in use.");

        (int Nodes, int Words) Below(AllowedIpsItem<TBits> item)
        {
            if (!item.IsNode)
            {
                return (0, 0);
            }

            var slots = SlotCount(item.Value);
            var below = Enumerable.Range(0, slots).Select(index => Below(Read(Slot(item.Value, index)))).ToArray();
            return (1 + below.Sum(node => node.Nodes), HeaderWords + slots + below.Sum(node => node.Words));
        }
    }

    // The address is in none of the last two prefixes that its bits lead to: so as far as they are right.
    private int FindShorter(TBits address)
    {
        var slot = Volatile.Read(ref _words[Root]);
        var longest = 0UL;
        while (Contains(slot, address))
        {
            if ((slot & NodeFlag) == 0)
            {
                return Value(slot);
            }

            var node = Value(slot);
            var stride = address.SixBits((byte)slot);
            var prefixes = _words[node + 1] & Enclosing[stride];
            if (prefixes != 0)
            {
                longest = Volatile.Read(ref _words[Slot(node, PrefixIndex(node, 1UL << BitOperations.Log2(prefixes)))]);
            }

            var child = 1UL << stride;
            if ((_words[node] & child) == 0)
            {
                break;
            }

            slot = Volatile.Read(ref _words[Slot(node, ChildIndex(node, child))]);
        }

        return Value(longest);
    }

    private bool Contains(ulong slot, TBits address) => address.CommonWith(Address(slot)) >= (byte)slot;

    // A copy of a node; from an index on it has some slots less, or some more that are to be written.
    private AllowedIpsItem<TBits> Copy(AllowedIpsItem<TBits> node, int index, int less, int more)
    {
        var end = Slot(node.Value, SlotCount(node.Value));
        var copy = Allocate(end - node.Value + more - less);
        _words.AsSpan(node.Value..Slot(node.Value, index)).CopyTo(_words.AsSpan(copy));
        _words.AsSpan(Slot(node.Value, index + less)..end).CopyTo(_words.AsSpan(Slot(copy, index + more)));
        _garbageWords += end - node.Value;
        return node with { Value = copy };
    }

    private int Allocate(int words)
    {
        var start = _usedWords;
        _usedWords += words;
        return start;
    }

    // Where a prefix, or what leads to it, belongs in a node: in which word, its bit there, and the index of its slot.
    private (bool IsPrefix, ulong Bit, int Index) Place(AllowedIpsItem<TBits> node, TBits bits, int length)
    {
        var stride = bits.SixBits(node.Length);
        if (PositionOf(length) == node.Length)
        {
            var prefix = PrefixBit(stride, length - node.Length);
            return (true, prefix, PrefixIndex(node.Value, prefix));
        }

        var child = 1UL << stride;
        return (false, child, ChildIndex(node.Value, child));
    }

    private int ChildIndex(int node, ulong bit) => BitOperations.PopCount(_words[node] & (bit - 1));

    private int PrefixIndex(int node, ulong bit) => BitOperations.PopCount(_words[node]) + BitOperations.PopCount(_words[node + 1] & (bit - 1));

    private int SlotCount(int node) => BitOperations.PopCount(_words[node]) + BitOperations.PopCount(_words[node + 1]);

    private static int Slot(int node, int index) => node + HeaderWords + index;

    private TBits Address(ulong slot) => TBits.Read(_addresses, (uint)(slot >> AddressShift));

    private static int Value(ulong slot) => (int)((uint)slot >> ValueShift);

    private static ulong Word(AllowedIpsItem<TBits> item) =>
        (uint)item.Length | (item.IsNode ? NodeFlag : 0) | ((ulong)item.Value << ValueShift) | ((ulong)item.Address << AddressShift);

    // Of the stride that a prefix of that length ends in.
    private static int PositionOf(int length) => length - (length % 64 % Stride);

    private static ulong PrefixBit(int stride, int length) => 1UL << ((1 << length) + (stride >> (Stride - length)));
}

/// <summary>What is in a slot of <see cref="AllowedIpsMemory{TBits}"/>.</summary>
/// <param name="Bits">Of this address the first <paramref name="Length"/> bits count.</param>
/// <param name="Address">What the slot has of it.</param>
/// <param name="Length">Of the prefix, or where the node's stride begins: 0-128.</param>
/// <param name="IsNode">It is a node and no prefix.</param>
/// <param name="Value">Index of the node, or number of the prefix's owner.</param>
internal readonly record struct AllowedIpsItem<TBits>(TBits Bits, uint Address, int Length, bool IsNode, int Value)
    where TBits : struct, IAddressBits<TBits>;
