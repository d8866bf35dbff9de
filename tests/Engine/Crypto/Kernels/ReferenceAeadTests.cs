namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>What others are held against is held against the RFC itself.</summary>
public sealed class ReferenceAeadTests
{
    /// <summary>Key, message and tag, of RFC 8439, section 2.5.2 and appendix A.3.</summary>
    public static TheoryData<string, string, string> Vectors => new()
    {
        {
            "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
            "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
            "a8061dc1305136c6c22b8baf0c0127a9"
        },
        { new('0', 64), new('0', 128), new('0', 32) }, // #1
        {
            // #5: the sum is below 2^130 and not below 2^130 - 5
            "0200000000000000000000000000000000000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"
        },
        {
            // #6: adding s goes beyond 2^128
            "02000000000000000000000000000000ffffffffffffffffffffffffffffffff", "02000000000000000000000000000000", "03000000000000000000000000000000"
        },
        {
            // #7: a word of all ones gets a carry
            "0100000000000000000000000000000000000000000000000000000000000000",
            "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
            "05000000000000000000000000000000"
        },
        {
            // #8: the sum is 2^130 - 5
            "0100000000000000000000000000000000000000000000000000000000000000",
            "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
            "00000000000000000000000000000000"
        },
        {
            // #9: the sum is 2^130 - 6
            "0200000000000000000000000000000000000000000000000000000000000000", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"
        },
        {
            // #10: 131 bits on the way
            "0100000000000000040000000000000000000000000000000000000000000000",
            "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000",
            "14000000000000005500000000000000"
        },
        {
            // #11: 131 bits at the end
            "0100000000000000040000000000000000000000000000000000000000000000",
            "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
            "13000000000000000000000000000000"
        },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Computes_the_tags_of_the_RFC(string key, string message, string tag) =>
        Assert.Equal(tag, Convert.ToHexStringLower(ReferenceAead.Poly1305(Convert.FromHexString(key), Convert.FromHexString(message))));

    [Fact] // section 2.6.2, whose nonce has 4 zero bytes in front as WireGuard's
    public void Derives_the_one_time_key_of_the_RFC() => Assert.Equal(
        "8ad5a08b905f81cc815040274ab29471a833b637e3fd0da508dbb8e2fdd1a646",
        Convert.ToHexStringLower(ReferenceAead.OneTimeKey(Enumerable.Range(0x80, 32).Select(i => (byte)i).ToArray(), 0x0706050403020100)));
}
