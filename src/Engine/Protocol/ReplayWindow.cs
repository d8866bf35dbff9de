namespace WgMesh.Engine.Protocol;

/// <summary>
/// Which counters of a session have been seen (RFC 6479): a ring of words that slides with the highest counter, so that
/// moving ahead clears whole words and shifts nothing. Asked only after a packet has been authenticated. Safe to be
/// called by several threads.
/// </summary>
public sealed class ReplayWindow
{
    private const int Words = 128;
    private const int BitsPerWord = 64;

    /// <summary>How far behind the highest counter a packet may be: one word less than the ring, since the newest word is only partly filled.</summary>
    public const ulong Size = (Words - 1) * BitsPerWord; // 8,128

    private readonly ulong[] _ring = new ulong[Words];
    private readonly Lock _gate = new();
    private ulong _highest;

    /// <summary>Marks a counter as seen.</summary>
    /// <returns>False if it was seen before, is too old, or is beyond <see cref="Limits.RejectAfterMessages"/>.</returns>
    public bool TryAccept(ulong counter)
    {
        if (counter >= Limits.RejectAfterMessages)
        {
            return false;
        }

        lock (_gate)
        {
            var word = counter / BitsPerWord;
            if (counter > _highest)
            {
                var current = _highest / BitsPerWord;
                var steps = Math.Min(word - current, Words);
                for (ulong i = 1; i <= steps; i++)
                {
                    _ring[(current + i) % Words] = 0;
                }

                _highest = counter;
            }
            else if (_highest - counter > Size)
            {
                return false;
            }

            ref var bits = ref _ring[word % Words];
            var bit = 1UL << (int)(counter % BitsPerWord);
            var seen = (bits & bit) != 0;
            bits |= bit;
            return !seen;
        }
    }
}
