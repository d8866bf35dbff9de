using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>What is different between what two kinds of nodes have. One node's part of a change is this but for its own peer.</summary>
internal sealed class ViewDelta
{
    private static readonly ViewDelta None = new(PeerList.None, []);

    private readonly PeerList _upserts;
    private readonly string[] _removed; // ordered
    private readonly FieldEntries _removedInDelta;

    private ViewDelta(PeerList upserts, string[] removed)
    {
        (_upserts, _removed) = (upserts, removed);
        _removedInDelta = FieldEntries.Of(removed, NodeConfigDelta.RemovedFieldNumber);
    }

    public static ViewDelta Between(PeerView before, PeerView after)
    {
        if (ReferenceEquals(before, after))
            return None;

        // both are ordered by name: one merge finds all differences
        var upserts = new List<PeerConfig>();
        var removed = new List<string>();
        using var old = before.Peers.GetEnumerator();
        using var current = after.Peers.GetEnumerator();
        bool hasOld = old.MoveNext(), hasCurrent = current.MoveNext();
        while (hasOld || hasCurrent)
        {
            if (hasOld && hasCurrent && ReferenceEquals(old.Current, current.Current))
            {
                (hasOld, hasCurrent) = (old.MoveNext(), current.MoveNext());
                continue;
            }

            var order = !hasOld ? 1 : !hasCurrent ? -1 : string.CompareOrdinal(old.Current.Name, current.Current.Name);
            if (order < 0)
                removed.Add(old.Current.Name);
            else if (order > 0 || !old.Current.Equals(current.Current))
                upserts.Add(current.Current);

            if (order <= 0)
                hasOld = old.MoveNext();
            if (order >= 0)
                hasCurrent = current.MoveNext();
        }

        return upserts.Count == 0 && removed.Count == 0 ? None : new ViewDelta(PeerList.Of([.. upserts], null), [.. removed]);
    }

    /// <summary>Adds what is new or changed, but for these names. Returns how many there are.</summary>
    public int AddUpserts(MessageParts message, string name, string otherName) =>
        AddAllBut(message, _upserts.Peers.Length, _upserts.IndexOf(name), _upserts.IndexOf(otherName), _upserts.InDelta);

    /// <summary>Adds the names of what is gone, but for these. Returns how many there are.</summary>
    public int AddRemovals(MessageParts message, string name, string otherName) =>
        AddAllBut(message, _removed.Length, IndexOfRemoved(name), IndexOfRemoved(otherName), _removedInDelta.Slice);

    private int IndexOfRemoved(string name) => Array.BinarySearch(_removed, name, StringComparer.Ordinal);

    /// <summary>Nearly always a node's own peer is not among the changed: then this is one part for all.</summary>
    private static int AddAllBut(MessageParts message, int length, int index, int otherIndex, Func<int, int, ReadOnlyMemory<byte>> slice)
    {
        var (next, count) = (0, length);
        foreach (var skipped in (ReadOnlySpan<int>)[Math.Min(index, otherIndex), Math.Max(index, otherIndex)])
        {
            if (skipped < next)
                continue;

            message.Add(slice(next, skipped));
            next = skipped + 1;
            count--;
        }

        message.Add(slice(next, length));
        return count;
    }
}
