using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace WgMesh.Engine.Offload;

/// <summary>
/// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words. A sum in the making is a <see cref="ulong"/> of words as
/// the machine reads them, which the order of bytes does not matter for until the end (RFC 1071, section 2B); 32 bits of carries are
/// enough for 4 GB.
/// </summary>
internal static class InternetChecksum
{
    private const ulong LowHalf = 0xFFFF_FFFF;

    /// <summary>Adds bytes to a sum. Only the last ones added may be odd in number; where they lie in memory does not matter.</summary>
    public static ulong Add(ulong sum, ReadOnlySpan<byte> data)
    {
        // each vector: lanes of 64 bits, to which the two halves of the data's lanes are added, so that no carry is lost
        if (Vector512.IsHardwareAccelerated && data.Length >= Vector512<byte>.Count)
        {
            var (lanes, low) = (Vector512<ulong>.Zero, Vector512.Create(LowHalf));
            do
            {
                var next = Vector512.Create(data).AsUInt64();
                lanes += (next & low) + (next >> 32);
                data = data[Vector512<byte>.Count..];
            }
            while (data.Length >= Vector512<byte>.Count);
            sum += Vector512.Sum(lanes);
        }

        if (Vector256.IsHardwareAccelerated && data.Length >= Vector256<byte>.Count)
        {
            var (lanes, low) = (Vector256<ulong>.Zero, Vector256.Create(LowHalf));
            do
            {
                var next = Vector256.Create(data).AsUInt64();
                lanes += (next & low) + (next >> 32);
                data = data[Vector256<byte>.Count..];
            }
            while (data.Length >= Vector256<byte>.Count);
            sum += Vector256.Sum(lanes);
        }

        if (Vector128.IsHardwareAccelerated && data.Length >= Vector128<byte>.Count)
        {
            var (lanes, low) = (Vector128<ulong>.Zero, Vector128.Create(LowHalf));
            do
            {
                var next = Vector128.Create(data).AsUInt64();
                lanes += (next & low) + (next >> 32);
                data = data[Vector128<byte>.Count..];
            }
            while (data.Length >= Vector128<byte>.Count);
            sum += Vector128.Sum(lanes);
        }

        return AddWords(sum, data);
    }

    /// <summary>Adds one number of a header.</summary>
    public static ulong Add(ulong sum, ushort number) => sum + ToWord(number);

    /// <summary>Takes one number of a header away again.</summary>
    public static ulong Subtract(ulong sum, ushort number) => sum + (ushort)~ToWord(number);

    /// <summary>
    /// The pseudo-header that TCP and UDP checksums start with (RFC 9293, section 3.1; RFC 8200, section 8.1), but for the length.
    /// </summary>
    /// <param name="addresses">Source and destination, as they follow each other in the IP header.</param>
    /// <param name="protocol">TCP or UDP.</param>
    public static ulong PseudoHeader(ReadOnlySpan<byte> addresses, byte protocol) => Add(AddWords(0, addresses), protocol);

    /// <summary>The sum as a number of 16 bits, for a header's big-endian field. What is not all zeros does not come to 0.</summary>
    public static ushort Fold(ulong sum)
    {
        sum = (sum & LowHalf) + (sum >> 32);
        sum = (sum & LowHalf) + (sum >> 32);
        var half = (uint)sum;
        half = (half & 0xFFFF) + (half >> 16);
        half = (half & 0xFFFF) + (half >> 16);
        return ToWord((ushort)half);
    }

    /// <summary>The checksum: the sum's complement.</summary>
    public static ushort Complete(ulong sum) => (ushort)~Fold(sum);

    /// <summary>Whether a sum over everything, the checksum included, shows that it is right.</summary>
    public static bool IsValid(ulong sum) => Fold(sum) == 0xFFFF;

    /// <summary>Writes the checksum of an IPv4 header.</summary>
    /// <param name="header">The header with its options and nothing else.</param>
    public static void WriteIPv4(Span<byte> header)
    {
        header[10] = 0;
        header[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], Complete(AddWords(0, header)));
    }

    // for the few bytes of headers and of what vectors leave
    private static ulong AddWords(ulong sum, ReadOnlySpan<byte> data)
    {
        while (data.Length >= sizeof(uint))
        {
            sum += MemoryMarshal.Read<uint>(data);
            data = data[sizeof(uint)..];
        }

        if (data.Length >= sizeof(ushort))
        {
            sum += MemoryMarshal.Read<ushort>(data);
            data = data[sizeof(ushort)..];
        }

        return data.IsEmpty ? sum : sum + ToWord((ushort)(data[0] << 8)); // as if a zero followed
    }

    private static ushort ToWord(ushort number) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(number) : number;
}
