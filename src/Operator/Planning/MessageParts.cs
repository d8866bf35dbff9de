using System.Buffers;
using System.Collections.Immutable;
using Google.Protobuf;
using WgMesh.Rpc;

namespace WgMesh.Operator.Planning;

/// <summary>An OperatorMessage for one node, serialized.</summary>
/// <param name="Bytes">Mostly of parts that other nodes' messages have, too.</param>
/// <param name="Upserts">Peers in it.</param>
/// <param name="Removals">Names of removed peers in it.</param>
internal sealed record NodeMessage(ReadOnlySequence<byte> Bytes, int Upserts, int Removals);

/// <summary>A message put together from serialized parts: protocol buffers define their concatenation as the merged message.</summary>
internal sealed class MessageParts
{
    private readonly List<ReadOnlyMemory<byte>> _parts = [];
    private int _length;

    public void Add(ReadOnlyMemory<byte> part)
    {
        if (part.IsEmpty)
            return;

        _parts.Add(part);
        _length += part.Length;
    }

    /// <summary>Adds a field that is a message of two parts.</summary>
    public void AddField(int fieldNumber, ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second)
    {
        Add(Head(fieldNumber, first.Length + second.Length));
        Add(first);
        Add(second);
    }

    /// <summary>Makes the parts so far a field of a message that contains them.</summary>
    public void WrapInto(int fieldNumber)
    {
        var head = Head(fieldNumber, _length);
        _parts.Insert(0, head);
        _length += head.Length;
    }

    public ReadOnlySequence<byte> ToSequence()
    {
        if (_parts.Count == 0)
            return ReadOnlySequence<byte>.Empty;

        var first = new Segment(_parts[0], null);
        var last = first;
        for (var i = 1; i < _parts.Count; i++)
            last = new Segment(_parts[i], last);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private static byte[] Head(int fieldNumber, int length)
    {
        var head = new byte[CodedOutputStream.ComputeTagSize(fieldNumber) + CodedOutputStream.ComputeLengthSize(length)];
        using var output = new CodedOutputStream(head);
        output.WriteTag(fieldNumber, WireFormat.WireType.LengthDelimited);
        output.WriteLength(length);
        return head;
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}

/// <summary>The entries of a repeated field of a message, serialized one behind the other.</summary>
internal sealed class FieldEntries
{
    private readonly byte[] _bytes;
    private readonly int[] _ends;

    private FieldEntries(int[] ends) => (_bytes, _ends) = (new byte[ends is [.., var length] ? length : 0], ends);

    public static FieldEntries Of(ImmutableArray<PeerConfig> peers, int fieldNumber) =>
        Of(peers.AsSpan(), fieldNumber, CodedOutputStream.ComputeMessageSize, static (output, peer) => output.WriteMessage(peer));

    public static FieldEntries Of(ReadOnlySpan<string> texts, int fieldNumber) =>
        Of(texts, fieldNumber, CodedOutputStream.ComputeStringSize, static (output, text) => output.WriteString(text));

    /// <summary>The entries from <paramref name="from"/> up to <paramref name="to"/>; none if that is not behind it.</summary>
    public ReadOnlyMemory<byte> Slice(int from, int to)
    {
        if (from >= to)
            return default;

        var start = from == 0 ? 0 : _ends[from - 1];
        return _bytes.AsMemory(start, _ends[to - 1] - start);
    }

    private static FieldEntries Of<T>(ReadOnlySpan<T> items, int fieldNumber, Func<T, int> sizeOf, Action<CodedOutputStream, T> write)
    {
        var ends = new int[items.Length];
        var (length, tagLength) = (0, CodedOutputStream.ComputeTagSize(fieldNumber));
        for (var i = 0; i < items.Length; i++)
            ends[i] = length += tagLength + sizeOf(items[i]);

        var entries = new FieldEntries(ends);
        using var output = new CodedOutputStream(entries._bytes);
        foreach (var item in items)
        {
            output.WriteTag(fieldNumber, WireFormat.WireType.LengthDelimited);
            write(output, item);
        }

        return entries;
    }
}
