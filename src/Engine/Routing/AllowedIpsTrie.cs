using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WgMesh.Engine.Routing;

/// <summary>
/// The allowed IPs of one address family: a binary trie with compressed paths. Every node but the root has an owner or two children, so
/// there are at most twice as many nodes as prefixes.
/// </summary>
/// <remarks>
/// Readers take no lock. That is safe because a node's address and length never change, a node is complete before one volatile write of a
/// child reference publishes it, an owner changes by one volatile write, and a node that has been taken out keeps its references, so that
/// a reader standing on it still finds everything below. Writers are the caller's to serialize.
/// </remarks>
internal sealed class AllowedIpsTrie<TKey, TOwner>
    where TKey : unmanaged, IBinaryInteger<TKey>, IUnsignedNumber<TKey>
    where TOwner : class
{
    private static readonly int Bits = Unsafe.SizeOf<TKey>() * 8;

    private readonly Node _root = new(TKey.Zero, 0, null);
    private readonly Dictionary<TOwner, Node> _firstOf = new(ReferenceEqualityComparer.Instance);

    /// <summary>Number of prefixes with an owner.</summary>
    public int Count { get; private set; }

    /// <summary>Owner of the longest prefix that contains the address, or null. For any thread at any time.</summary>
    public TOwner? Lookup(TKey address)
    {
        TOwner? owner = null;
        Node? node = _root;
        do
        {
            owner = node.Owner ?? owner;
            if (node.Length == Bits)
            {
                break;
            }

            node = node.ChildFor(address);
        }
        while (node is not null && node.Contains(address));
        return owner;
    }

    /// <summary>Gives a prefix, whose host bits are zero, to an owner.</summary>
    /// <returns>Its owner until now, or null.</returns>
    public TOwner? Insert(TKey address, int length, TOwner owner)
    {
        var node = FindOrAdd(address, length);
        var previous = node.Owner;
        if (ReferenceEquals(previous, owner))
        {
            return previous;
        }

        if (previous is null)
        {
            Count++;
        }
        else
        {
            Unlink(node, previous);
        }

        Link(node, owner);
        node.Owner = owner; // from the old owner to the new one, with nothing in between
        return previous;
    }

    /// <summary>Takes a prefix from an owner.</summary>
    /// <returns>False if the owner does not have it.</returns>
    public bool Remove(TKey address, int length, TOwner owner)
    {
        Node grandparent = _root, parent = _root, node = _root;
        while (node.Length < length)
        {
            if (node.ChildFor(address) is not { } child || child.Length > length || !child.Contains(address))
            {
                return false;
            }

            (grandparent, parent, node) = (parent, node, child);
        }

        if (!ReferenceEquals(node.Owner, owner))
        {
            return false;
        }

        Unlink(node, owner);
        node.Owner = null;
        Count--;
        Shrink(grandparent, parent, node);
        return true;
    }

    /// <summary>Takes all prefixes from an owner.</summary>
    /// <returns>How many there were.</returns>
    public int RemoveOwner(TOwner owner)
    {
        var count = 0;
        while (_firstOf.TryGetValue(owner, out var node))
        {
            Remove(node.Address, node.Length, owner);
            count++;
        }

        return count;
    }

    /// <summary>Adds an owner's prefixes to a list, in no particular order.</summary>
    public void List(TOwner owner, Func<TKey, int, Prefix> makePrefix, List<Prefix> prefixes)
    {
        for (var node = _firstOf.GetValueOrDefault(owner); node is not null; node = node.NextOfOwner)
        {
            prefixes.Add(makePrefix(node.Address, node.Length));
        }
    }

    /// <summary>Adds all prefixes with their owners to a list, in address order, shorter prefixes first.</summary>
    public void List(Func<TKey, int, Prefix> makePrefix, List<(Prefix Prefix, TOwner Owner)> prefixes)
    {
        Visit(_root);

        void Visit(Node node)
        {
            if (node.Owner is { } owner)
            {
                prefixes.Add((makePrefix(node.Address, node.Length), owner));
            }

            if (node.Zero is { } zero)
            {
                Visit(zero);
            }

            if (node.One is { } one)
            {
                Visit(one);
            }
        }
    }

    /// <summary>Number of nodes below the root, for tests of compression.</summary>
    internal int CountNodes()
    {
        return Below(_root);

        static int Below(Node node) => (node.Zero is { } zero ? 1 + Below(zero) : 0) + (node.One is { } one ? 1 + Below(one) : 0);
    }

    private Node FindOrAdd(TKey address, int length)
    {
        var node = _root;
        while (node.Length < length)
        {
            var child = node.ChildFor(address);
            if (child is null)
            {
                var leaf = new Node(address, length, null);
                node.SetChildFor(address, leaf);
                return leaf;
            }

            var common = Math.Min(CommonBits(address, child.Address), Math.Min(length, child.Length));
            if (common < child.Length)
            {
                // the path to the child parts from ours, or ends below us: a node goes in between
                var between = new Node(KeepBits(address, common), common, child);
                var target = common == length ? between : new Node(address, length, null);
                if (target != between)
                {
                    between.SetChildFor(address, target);
                }

                node.SetChildFor(address, between);
                return target;
            }

            node = child;
        }

        return node;
    }

    private void Shrink(Node grandparent, Node parent, Node node)
    {
        if (node == _root || (node.Zero is not null && node.One is not null))
        {
            return;
        }

        var only = node.Zero ?? node.One;
        parent.SetChildFor(node.Address, only);
        if (only is null && parent != _root && parent.Owner is null)
        {
            // the parent was there to part two paths, of which one is left
            grandparent.SetChildFor(parent.Address, parent.Zero ?? parent.One);
        }
    }

    private void Link(Node node, TOwner owner)
    {
        ref var first = ref CollectionsMarshal.GetValueRefOrAddDefault(_firstOf, owner, out _);
        node.NextOfOwner = first;
        if (first is not null)
        {
            first.PreviousOfOwner = node;
        }

        first = node;
    }

    private void Unlink(Node node, TOwner owner)
    {
        if (node.NextOfOwner is { } next)
        {
            next.PreviousOfOwner = node.PreviousOfOwner;
        }

        if (node.PreviousOfOwner is { } previous)
        {
            previous.NextOfOwner = node.NextOfOwner;
        }
        else if (node.NextOfOwner is { } first)
        {
            _firstOf[owner] = first;
        }
        else
        {
            _firstOf.Remove(owner);
        }

        node.NextOfOwner = node.PreviousOfOwner = null;
    }

    private static int CommonBits(TKey a, TKey b) => int.CreateTruncating(TKey.LeadingZeroCount(a ^ b));

    private static TKey KeepBits(TKey address, int count) => count == 0 ? TKey.Zero : address & (TKey.AllBitsSet << (Bits - count));

    private static bool IsSet(TKey address, int bit) => !TKey.IsZero((address >> (Bits - 1 - bit)) & TKey.One);

    private sealed class Node
    {
        public readonly TKey Address;
        public readonly byte Length;
        public volatile TOwner? Owner;
        public volatile Node? Zero;
        public volatile Node? One;

        // the owner's prefixes as a list, for writers only
        public Node? NextOfOwner;
        public Node? PreviousOfOwner;

        public Node(TKey address, int length, Node? child)
        {
            Address = address;
            Length = (byte)length;
            if (child is not null)
            {
                SetChildFor(child.Address, child);
            }
        }

        public bool Contains(TKey address) => CommonBits(address, Address) >= Length;

        public Node? ChildFor(TKey address) => IsSet(address, Length) ? One : Zero;

        public void SetChildFor(TKey address, Node? child)
        {
            if (IsSet(address, Length))
            {
                One = child;
            }
            else
            {
                Zero = child;
            }
        }
    }
}
