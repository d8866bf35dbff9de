using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using WgMesh.Operator.Planning;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// By what replicas recognize each other's plans: each numbers its own, but from the same state all make the same. Of the newest plans only.
/// Thread-safe.
/// </summary>
internal sealed class PlanPrints
{
    private const int Most = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, ulong> _prints = [], _revisions = [];
    private readonly Queue<(ulong Revision, ulong Print)> _order = new();

    /// <summary>A hash of what agents are served; never 0.</summary>
    public static ulong Of(MeshPlan plan)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, plan.Settings.Serialized);
        foreach (var node in plan.Nodes.Values)
        {
            Add(hash, node.OwnSettings());
            Add(hash, $"{node.PeerName} {node.IsServed} {node.Versions} {node.Admits}"); // which peers of those below it has
        }

        var known = new Dictionary<PeerList, byte[]>();
        foreach (var (key, view) in plan.Views.OrderBy(entry => entry.Key.Versions.ToString(), StringComparer.Ordinal)
            .ThenBy(entry => entry.Key.Admits, StringComparer.Ordinal))
        {
            Add(hash, $"{key.Versions} {key.Admits}");
            hash.AppendData(Of(view.Common, known));
            hash.AppendData(Of(view.Overlay, known));
        }

        return Math.Max(BinaryPrimitives.ReadUInt64LittleEndian(hash.GetHashAndReset()), 1);
    }

    /// <summary>A plan was published.</summary>
    /// <returns>Its print.</returns>
    public ulong Add(PublishedPlan published)
    {
        lock (_lock)
        {
            if (_prints.TryGetValue(published.Revision, out var known))
                return known;

            var print = Of(published.Plan);
            _prints.Add(published.Revision, print);
            _revisions[print] = published.Revision; // what was planned before may be planned again
            _order.Enqueue((published.Revision, print));
            if (_order.Count > Most)
            {
                var old = _order.Dequeue();
                _prints.Remove(old.Revision);
                if (_revisions[old.Print] == old.Revision)
                    _revisions.Remove(old.Print);
            }

            return print;
        }
    }

    /// <summary>Of this replica's plan; 0: unknown.</summary>
    public ulong PrintOf(ulong revision)
    {
        lock (_lock)
            return _prints.GetValueOrDefault(revision);
    }

    /// <summary>This replica's newest plan with this print; 0: none.</summary>
    public ulong RevisionOf(ulong print)
    {
        lock (_lock)
            return _revisions.GetValueOrDefault(print);
    }

    // whether views share a list depends on the plans before: by its reference it is only hashed once
    private static byte[] Of(PeerList list, Dictionary<PeerList, byte[]> known)
    {
        if (known.TryGetValue(list, out var digest))
            return digest;

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[4096];
        foreach (var peer in list.Peers)
            Add(hash, peer, ref buffer);
        return known[list] = hash.GetHashAndReset();
    }

    private static void Add(IncrementalHash hash, string text) => Add(hash, Encoding.UTF8.GetBytes(text));

    private static void Add(IncrementalHash hash, byte[] serialized)
    {
        hash.AppendData(BitConverter.GetBytes(serialized.Length));
        hash.AppendData(serialized);
    }

    private static void Add(IncrementalHash hash, IMessage message, ref byte[] buffer)
    {
        var length = message.CalculateSize();
        if (length > buffer.Length)
            buffer = new byte[length * 2];
        message.WriteTo(buffer.AsSpan(0, length));
        hash.AppendData(BitConverter.GetBytes(length));
        hash.AppendData(buffer, 0, length);
    }
}
