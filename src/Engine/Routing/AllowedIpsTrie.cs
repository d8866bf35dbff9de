namespace WgMesh.Engine.Routing;

/// <summary>
/// The allowed IPs of one address family: a trie whose nodes tell addresses apart 64 ways, with compressed paths. Every node has at least two
/// items, so there are fewer nodes than prefixes; from the root to a prefix there are at most 6 of them for IPv4 and 22 for IPv6.
/// </summary>
/// <remarks>
/// Readers take no lock (<see cref="AllowedIpsMemory{TBits}"/>). Of each prefix they see what it was at some moment of the look-up. Writers are the
/// caller's to serialize.
/// </remarks>
internal sealed class AllowedIpsTrie<TBits>
    where TBits : struct, IAddressBits<TBits>
{
    /// <summary>
    /// The most prefixes. At worst each comes with a node of two items, so takes the node's two words and two slots: 4,000,000 words of the 8,388,608
    /// (2^23) that there can be, and the rest is space for changes.
    /// </summary>
    public const int Capacity = 1_000_000;

    private readonly Dictionary<object, Belongings> _belongings = new(ReferenceEqualityComparer.Instance);
    private AllowedIpsMemory<TBits> _memory = new(0, 0, 0);

    /// <summary>Number of prefixes.</summary>
    public int Count { get; private set; }

    /// <summary>Owner of the longest prefix that contains the address, or null. For any thread at any time.</summary>
    public object? Lookup(TBits address)
    {
        while (true)
        {
            var memory = Volatile.Read(ref _memory);
            var number = memory.Find(address);
            if (number == 0)
            {
                return null;
            }

            if (memory.Owner(number) is { } owner)
            {
                return owner;
            }

            // the owner has just lost its last prefix, so this one is another's now, or nobody's
        }
    }

    /// <summary>Gives a prefix, whose host bits are zero, to an owner.</summary>
    /// <returns>Its owner until now, or null.</returns>
    /// <exception cref="InvalidOperationException">The prefix is a new one, and there are <see cref="Capacity"/>; nothing has changed.</exception>
    public object? Insert(TBits bits, int length, object owner)
    {
        MakeRoom();
        if (_memory.IsEmpty)
        {
            _memory.Replace(AllowedIpsMemory<TBits>.Root, New(bits, length, owner));
            return null;
        }

        var slot = AllowedIpsMemory<TBits>.Root;
        while (true)
        {
            var item = _memory.Read(slot);
            var common = Math.Min(item.Bits.CommonWith(bits), Math.Min(item.Length, length));
            if (item.IsNode && common == item.Length)
            {
                if (_memory.TryFindSlot(item, bits, length, out var next))
                {
                    slot = next;
                    continue;
                }

                _memory.Replace(slot, _memory.With(item, New(bits, length, owner)));
                return null;
            }

            if (item.IsNode || common < item.Length || common < length)
            {
                _memory.Replace(slot, _memory.Join(item, New(bits, length, owner), common));
                return null;
            }

            var previous = _memory.Owner(item.Value)!;
            if (previous != owner)
            {
                _memory.Replace(slot, item with { Value = Added(bits, length, owner) }); // from the old owner to the new one, with nothing in between
                Removed(previous);
            }

            return previous;
        }
    }

    /// <summary>Takes a prefix from an owner.</summary>
    /// <returns>False if the owner does not have it.</returns>
    public bool Remove(TBits bits, int length, object owner)
    {
        MakeRoom();
        return Take(bits, length, owner);
    }

    /// <summary>Takes all prefixes from an owner.</summary>
    /// <returns>How many there were.</returns>
    public int RemoveOwner(object owner)
    {
        if (!_belongings.TryGetValue(owner, out var belongings))
        {
            return 0;
        }

        var count = belongings.Count;
        while (belongings.Count > 0)
        {
            MakeRoom(); // where there is no memory for it, nothing of this prefix has been changed yet
            var (bits, length) = belongings.Prefixes[^1];
            belongings.Prefixes.RemoveAt(belongings.Prefixes.Count - 1);
            Take(bits, length, owner);
        }

        return count;
    }

    /// <summary>An owner's prefixes, in no particular order.</summary>
    public IEnumerable<Prefix> List(object owner)
    {
        if (!_belongings.TryGetValue(owner, out var belongings))
        {
            return [];
        }

        Tidy(owner, belongings);
        return belongings.Prefixes.Select(prefix => prefix.Bits.ToPrefix(prefix.Length));
    }

    /// <summary>All prefixes with their owners, in no particular order.</summary>
    public IEnumerable<(Prefix Prefix, object Owner)> List() =>
        _belongings.Keys.SelectMany(owner => List(owner).Select(prefix => (prefix, owner)));

    /// <summary>Number of nodes, for tests of compression.</summary>
    internal int CountNodes() => _memory.CountNodes();

    // Where there is room.
    private bool Take(TBits bits, int length, object owner)
    {
        if (!TryFind(bits, length, owner, out var path))
        {
            return false;
        }

        if (path.Slot == AllowedIpsMemory<TBits>.Root)
        {
            _memory.Clear();
        }
        else
        {
            _memory.Replace(path.Parent, _memory.Without(_memory.Read(path.Parent), _memory.Read(path.Slot)));
        }

        Removed(owner);
        return true;
    }

    // The slots of a prefix and, where it is not the root's, of the node that has it.
    private bool TryFind(TBits bits, int length, object owner, out (int Parent, int Slot) path)
    {
        path = (AllowedIpsMemory<TBits>.Root, AllowedIpsMemory<TBits>.Root);
        while (true)
        {
            var item = _memory.Read(path.Slot);
            if (item.Length > length || item.Bits.CommonWith(bits) < item.Length)
            {
                return false;
            }

            if (!item.IsNode)
            {
                return item.Length == length && _memory.Owner(item.Value) == owner;
            }

            if (!_memory.TryFindSlot(item, bits, length, out var slot))
            {
                return false;
            }

            path = (path.Slot, slot);
        }
    }

    // One more, before anything is written.
    private AllowedIpsItem<TBits> New(TBits bits, int length, object owner) => Count < Capacity
        ? _memory.NewPrefix(bits, length, Added(bits, length, owner))
        : throw new InvalidOperationException($"There are {Count} allowed IPs of a family: it can have no more.");

    // The number of an owner who has one more.
    private int Added(TBits bits, int length, object owner)
    {
        if (!_belongings.TryGetValue(owner, out var belongings))
        {
            _belongings.Add(owner, belongings = new Belongings(_memory.AddOwner(owner)));
        }

        belongings.Prefixes.Add((bits, (byte)length));
        belongings.Count++;
        Count++;
        return belongings.Number;
    }

    // Comes when the slot is written: readers take an owner that is gone for a sign to look again.
    private void Removed(object owner)
    {
        Count--;
        var belongings = _belongings[owner];
        if (--belongings.Count == 0)
        {
            _belongings.Remove(owner);
            _memory.RemoveOwner(belongings.Number);
        }
        else if (belongings.Prefixes.Count > (2 * belongings.Count) + 8)
        {
            Tidy(owner, belongings);
        }
    }

    private void Tidy(object owner, Belongings belongings)
    {
        if (belongings.Prefixes.Count > belongings.Count)
        {
            var seen = new HashSet<(TBits, byte)>(belongings.Count);
            belongings.Prefixes.RemoveAll(prefix => !TryFind(prefix.Bits, prefix.Length, owner, out _) || !seen.Add(prefix));
        }
    }

    // Changes leave behind what they replace. When that and the rest fill the memory, what is in use moves to another one.
    private void MakeRoom()
    {
        if (_memory.HasRoom)
        {
            return;
        }

        var memory = new AllowedIpsMemory<TBits>(_memory.LiveWords, Count, _belongings.Count);
        var numbers = new int[_memory.UsedOwners];
        foreach (var (owner, belongings) in _belongings)
        {
            belongings.Number = numbers[belongings.Number] = memory.AddOwner(owner);
        }

        _memory.CopyTo(memory, numbers);
        Volatile.Write(ref _memory, memory);
    }

    /// <summary>What an owner has.</summary>
    private sealed class Belongings(int number)
    {
        /// <summary>The owner's, in the memory of now.</summary>
        public int Number { get; set; } = number;

        /// <summary>Number of prefixes.</summary>
        public int Count { get; set; }

        /// <summary>All of them, and until the next tidying such as were taken away, or that came again: so that taking one away needs no search.</summary>
        public List<(TBits Bits, byte Length)> Prefixes { get; } = new(1);
    }
}
