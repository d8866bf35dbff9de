using System.Numerics;

namespace WgMesh.Operator.State;

/// <summary>The versions of the WireGuard protocol that somebody speaks: a bit for each of 1 to 63.</summary>
internal readonly record struct VersionSet
{
    /// <summary>The greatest number that a version may have here.</summary>
    public const uint Greatest = 63;

    private readonly ulong _bits;

    private VersionSet(ulong bits) => _bits = bits;

    /// <summary>Version 1 alone: what everybody speaks who says nothing.</summary>
    public static VersionSet One { get; } = Of([1]);

    public bool IsEmpty => _bits == 0;

    /// <summary>The greatest number in the set, which is not empty.</summary>
    public uint Newest => (uint)BitOperations.Log2(_bits);

    /// <summary>Ascending.</summary>
    public IEnumerable<uint> Numbers
    {
        get
        {
            for (var rest = _bits; rest != 0; rest &= rest - 1)
                yield return (uint)BitOperations.TrailingZeroCount(rest);
        }
    }

    /// <summary>Of numbers from 1 to <see cref="Greatest"/>.</summary>
    public static VersionSet Of(IEnumerable<uint> numbers) => new(numbers.Aggregate(0UL, (bits, number) => bits | (1UL << (int)number)));

    /// <inheritdoc cref="Of(IEnumerable{uint})"/>
    public static VersionSet Of(IEnumerable<int> numbers) => Of(numbers.Select(number => (uint)number));

    public bool Contains(uint number) => number <= Greatest && (_bits >> (int)number & 1) != 0;

    /// <summary>What is in both.</summary>
    public VersionSet And(VersionSet other) => new(_bits & other._bits);

    /// <summary>What is not above <paramref name="number"/>.</summary>
    public VersionSet UpTo(uint number) => number >= Greatest ? this : new(_bits & ((2UL << (int)number) - 1));

    /// <summary>"1, 2".</summary>
    public override string ToString() => string.Join(", ", Numbers);
}
