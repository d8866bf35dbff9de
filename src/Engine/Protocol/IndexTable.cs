using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace WgMesh.Engine.Protocol;

/// <summary>
/// The 32-bit indices by which messages name our side of a handshake or a session: random, so that they tell nothing,
/// and unique per device. An entry is the <see cref="Peer"/> whose initiation it is, then the <see cref="Session"/>
/// that came of it. Read without locks.
/// </summary>
internal sealed class IndexTable(RandomNumberGenerator random)
{
    private readonly ConcurrentDictionary<uint, object> _entries = new();

    public int Count => _entries.Count;

    public uint Add(object entry)
    {
        Span<byte> bytes = stackalloc byte[4];
        while (true)
        {
            random.GetBytes(bytes);
            var index = BitConverter.ToUInt32(bytes);
            if (_entries.TryAdd(index, entry))
            {
                return index;
            }
        }
    }

    /// <summary>The handshake under this index has become a session.</summary>
    public void Promote(uint index, Session session) => _entries[index] = session;

    public void Remove(uint index) => _entries.TryRemove(index, out _);

    public object? Find(uint index) => _entries.GetValueOrDefault(index);
}
