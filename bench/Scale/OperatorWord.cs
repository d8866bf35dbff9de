using System.Buffers;
using Google.Protobuf;
using WgMesh.Rpc;

namespace WgMesh.Scale;

/// <summary>
/// What a simulated agent reads of an OperatorMessage. A full configuration is skipped through, not made into objects: thousands of agents
/// share the machine with the operator that is measured.
/// </summary>
/// <param name="IsFull">Or a delta.</param>
/// <param name="Revision">To be acknowledged.</param>
/// <param name="Upserts">Of a delta: names of peers that are new or changed.</param>
/// <param name="Length">Bytes.</param>
internal sealed record OperatorWord(bool IsFull, ulong Revision, IReadOnlyList<string> Upserts, int Length)
{
    // field numbers of mesh.proto
    private const int Full = 1, Delta = 2, FullRevision = 1;

    public static OperatorWord Read(ReadOnlySequence<byte> message)
    {
        var bytes = message.ToArray(); // gone with the next collection
        var input = new CodedInputStream(bytes);
        switch (WireFormat.GetTagFieldNumber(input.ReadTag()))
        {
            case Full:
                input.ReadLength();
                var tag = input.ReadTag();
                return WireFormat.GetTagFieldNumber(tag) == FullRevision
                    ? new OperatorWord(true, input.ReadUInt64(), [], bytes.Length)
                    : new OperatorWord(true, 0, [], bytes.Length);
            case Delta:
                var delta = OperatorMessage.Parser.ParseFrom(bytes).Delta;
                return new OperatorWord(false, delta.Revision, [.. delta.Upserts.Select(peer => peer.Name)], bytes.Length);
            default:
                throw new InvalidDataException("an OperatorMessage is a full configuration or a delta");
        }
    }
}
