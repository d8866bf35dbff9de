using FsCheck;
using FsCheck.Fluent;
using WgMesh.Tests.Shared;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Offload;

public sealed class InternetChecksumTests
{
    private const int Longest = 9001;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(31)]
    public void It_agrees_with_the_sum_of_words_for_every_length_wherever_the_bytes_lie(int offset)
    {
        var bytes = TestPacket.Bytes(Longest + offset);
        for (var length = 0; length <= Longest; length++)
        {
            var data = bytes.AsSpan(offset, length);
            Assert.Equal(TestPacket.Sum(data, 0), InternetChecksum.Fold(InternetChecksum.Add(0, data)));
        }
    }

    [Theory]
    [InlineData(0x00)]
    [InlineData(0xFF)] // every addition carries
    public void It_agrees_for_bytes_that_are_all_alike(byte value)
    {
        var bytes = new byte[65_535];
        Array.Fill(bytes, value);
        foreach (var length in (int[])[.. Enumerable.Range(0, 300), 1420, 9000, 65_534, 65_535])
        {
            var data = bytes.AsSpan(0, length);
            Assert.Equal(TestPacket.Sum(data, 0), InternetChecksum.Fold(InternetChecksum.Add(0, data)));
        }
    }

    [Fact]
    public void Parts_of_even_length_add_up_to_the_whole() =>
        Prop.ForAll(
            Gen.Choose(0, 200).SelectMany(first => Gen.Choose(0, 2000).Select(second => (First: first * 2, Second: second))).ToArbitrary(),
            lengths =>
            {
                var bytes = TestPacket.Bytes(lengths.First + lengths.Second, lengths.Second);
                var sum = InternetChecksum.Add(InternetChecksum.Add(0, bytes.AsSpan(0, lengths.First)), bytes.AsSpan(lengths.First));
                return InternetChecksum.Fold(sum) == TestPacket.Sum(bytes, 0);
            }).Check(Properties.Config(300));

    [Theory]
    [InlineData(0x0000)]
    [InlineData(0x0001)]
    [InlineData(0x0100)]
    [InlineData(0xFFFE)]
    [InlineData(0xFFFF)]
    public void A_number_added_is_its_two_bytes_and_subtracted_is_gone(int number)
    {
        var bytes = TestPacket.Bytes(40);
        var sum = InternetChecksum.Add(0, bytes);
        var added = InternetChecksum.Add(sum, (ushort)number);
        Assert.Equal(TestPacket.Sum([.. bytes, (byte)(number >> 8), (byte)number], 0), InternetChecksum.Fold(added));
        Assert.Equal(InternetChecksum.Fold(sum), InternetChecksum.Fold(InternetChecksum.Subtract(added, (ushort)number)));
    }

    [Fact]
    public void The_example_of_the_specification()
    {
        byte[] data = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]; // RFC 1071, section 3
        Assert.Equal(0xDDF2, InternetChecksum.Fold(InternetChecksum.Add(0, data)));
        Assert.Equal(0x220D, InternetChecksum.Complete(InternetChecksum.Add(0, data)));
        Assert.True(InternetChecksum.IsValid(InternetChecksum.Add(0, [.. data, 0x22, 0x0D])));
        Assert.False(InternetChecksum.IsValid(InternetChecksum.Add(0, [.. data, 0x22, 0x0E])));
    }
}
