using System.Buffers.Binary;

namespace WgMesh.Fuzz.Targets;

/// <summary>What can happen to a message on its way through a hostile network, or in a broken program.</summary>
internal enum MutationKind
{
    FlipBit,
    SetByte,
    SetNumber,
    Cut,
    Grow,
    Remove,
    Repeat,
    Copy,
    Clear,
    Splice,
    Insert,
}

/// <summary>One change to the bytes of a message: data, so that a failure can be printed, repeated and made smaller.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Position">Where; taken modulo what there is.</param>
/// <param name="Value">How much, or with what; likewise.</param>
internal readonly record struct Mutation(MutationKind Kind, uint Position, uint Value)
{
    /// <summary>Beyond this nothing grows: no datagram and no line is longer.</summary>
    private const int Longest = 70_000;

    /// <summary>Where lengths, counters and indices turn over.</summary>
    private static readonly uint[] Edges = [0, 1, 2, 3, 4, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

    /// <summary>The bytes after the change.</summary>
    /// <param name="bytes">Left as they are.</param>
    /// <param name="others">Messages that may be joined to these.</param>
    /// <param name="tokens">Words of the language, if it is one.</param>
    public byte[] Apply(byte[] bytes, IReadOnlyList<byte[]> others, IReadOnlyList<byte[]> tokens)
    {
        var at = (int)(Position % (uint)(bytes.Length + 1)); // may be the end
        var count = (int)(Value % 64) + 1;
        var rest = Math.Min(count, bytes.Length - at);
        byte[] changed = Kind switch
        {
            MutationKind.FlipBit => At(bytes, at, (byte)((at < bytes.Length ? bytes[at] : 0) ^ (1 << (int)(Value % 8)))),
            MutationKind.SetByte => At(bytes, at, (byte)Value),
            MutationKind.SetNumber => Number(bytes, at, Value),
            MutationKind.Cut => bytes[..at],
            MutationKind.Grow => [.. bytes, .. new byte[Value % 5 == 0 ? Value % 2000 : count]],
            MutationKind.Remove => [.. bytes[..at], .. bytes[(at + rest)..]],
            MutationKind.Repeat => [.. bytes[..(at + rest)], .. bytes[at..]],
            MutationKind.Copy => Copied(bytes, at, (int)(Value / 64 % (uint)(bytes.Length + 1)), rest),
            MutationKind.Clear => [.. bytes[..at], .. new byte[rest], .. bytes[(at + rest)..]],
            MutationKind.Splice when others.Count > 0 => Spliced(bytes, at, others[(int)(Value % (uint)others.Count)]),
            MutationKind.Insert when tokens.Count > 0 => [.. bytes[..at], .. tokens[(int)(Value % (uint)tokens.Count)], .. bytes[at..]],
            _ => bytes,
        };
        return changed.Length <= Longest ? changed : changed[..Longest];
    }

    private static byte[] At(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        if (at < changed.Length)
        {
            changed[at] = value;
        }

        return changed;
    }

    // two or four bytes in either order, as a length would be: an edge, or about as long as the message
    private static byte[] Number(byte[] bytes, int at, uint value)
    {
        byte[] changed = [.. bytes];
        var number = (value / 4 % 4) == 0 ? (uint)bytes.Length + (value / 16 % 9) - 4 : Edges[value / 16 % (uint)Edges.Length];
        switch (value % 4)
        {
            case 0 when changed.Length >= at + 2:
                BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(at), (ushort)number);
                break;
            case 1 when changed.Length >= at + 2:
                BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(at), (ushort)number);
                break;
            case 2 when changed.Length >= at + 4:
                BinaryPrimitives.WriteUInt32BigEndian(changed.AsSpan(at), number);
                break;
            case 3 when changed.Length >= at + 4:
                BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan(at), number);
                break;
        }

        return changed;
    }

    private static byte[] Copied(byte[] bytes, int to, int from, int count)
    {
        byte[] changed = [.. bytes];
        count = Math.Min(count, bytes.Length - from);
        bytes.AsSpan(from, count).CopyTo(changed.AsSpan(to));
        return changed;
    }

    private static byte[] Spliced(byte[] head, int at, byte[] tail) => [.. head[..at], .. tail[Math.Min(at, tail.Length)..]];
}

/// <summary>A real message, chosen by number, and what happened to it.</summary>
internal sealed record Sample(uint Entry, IReadOnlyList<Mutation> Mutations)
{
    /// <summary>The bytes that came of it, a copy in any case.</summary>
    public byte[] Apply(byte[] original, IReadOnlyList<byte[]> others, IReadOnlyList<byte[]> tokens) =>
        Mutations.Aggregate((byte[])[.. original], (bytes, mutation) => mutation.Apply(bytes, others, tokens));

    /// <inheritdoc/>
    public override string ToString() => $"{Entry}: {string.Join(", ", Mutations)}";
}
