using WgMesh.Fuzz.Targets;

namespace WgMesh.Fuzz;

/// <summary>Chooses what happens in a scenario.</summary>
internal static class Scenario
{
    /// <summary>The samples of one iteration of a run.</summary>
    public static Sample[] Of(ulong seed, ulong iteration)
    {
        var dice = new Dice(seed, iteration);
        return [.. Enumerable.Range(0, 1 + dice.Below(12)).Select(_ => new Sample(dice.Next(), Mutations(dice)))];
    }

    // mostly few, for what is changed much is refused at the first look
    private static Mutation[] Mutations(Dice dice)
    {
        var count = dice.Below(8) switch { 0 => 0, < 5 => 1, 5 => 2, 6 => 3, _ => 1 + dice.Below(20) };
        return [.. Enumerable.Range(0, count).Select(_ => new Mutation(
            (MutationKind)dice.Below(Enum.GetValues<MutationKind>().Length), dice.Below(4) == 0 ? (uint)dice.Below(40) : dice.Next(), dice.Next()))];
    }

    /// <summary>SplitMix64: any seed is a good one, and runs of neighbouring iterations have nothing in common.</summary>
    private sealed class Dice(ulong seed, ulong iteration)
    {
        private ulong _state = Mix(seed) ^ Mix(~iteration);

        public uint Next() => (uint)(Mix(_state += 0x9e37_79b9_7f4a_7c15) >> 32);

        public int Below(int limit) => (int)((ulong)Next() * (ulong)limit >> 32);

        private static ulong Mix(ulong z)
        {
            z = (z ^ (z >> 30)) * 0xbf58_476d_1ce4_e5b9;
            z = (z ^ (z >> 27)) * 0x94d0_49bb_1331_11eb;
            return z ^ (z >> 31);
        }
    }
}
