namespace WgMesh.Engine.Offload;

/// <summary>
/// Which group the next packet of a flow may join. Its size is fixed: what too many flows push out merely starts a new group, so a
/// look-up costs the same whatever is sent.
/// </summary>
internal sealed class FlowTable
{
    /// <summary>What a flow has whose next packet starts a group.</summary>
    public const int NoGroup = -1;

    private const int Sets = 64;
    private const int Ways = 4;

    private readonly Slot[] _slots = new Slot[Sets * Ways];
    private uint _generation = 1; // slots start in generation 0: empty

    /// <summary>The place that holds the group of a flow: <see cref="NoGroup"/> if the flow is new here, or was pushed out.</summary>
    public ref int GroupOf(in FlowKey flow)
    {
        var set = _slots.AsSpan((flow.GetHashCode() & (Sets - 1)) * Ways, Ways);
        var oldest = 0;
        for (var way = 0; way < set.Length; way++)
        {
            if (set[way].Generation != _generation)
            {
                oldest = way; // slots fill from the first on: there is nothing behind an empty one
                break;
            }

            if (set[way].Flow.Equals(flow))
            {
                return ref set[way].Group;
            }

            if (set[way].Group < set[oldest].Group)
            {
                oldest = way;
            }
        }

        set[oldest] = new Slot { Flow = flow, Generation = _generation, Group = NoGroup };
        return ref set[oldest].Group;
    }

    /// <summary>Forgets all flows.</summary>
    public void Clear()
    {
        if (++_generation == 0)
        {
            Array.Clear(_slots);
            _generation = 1;
        }
    }

    private struct Slot
    {
        public FlowKey Flow;
        public uint Generation;
        public int Group;
    }
}
