namespace WgMesh.Engine.Tests.Crypto.Kernels;

/// <summary>What others are held against is held against the RFC itself.</summary>
public sealed class ReferenceAeadTests
{
    [Theory]
    [InlineData( // RFC 8439, section 2.5.2
        "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
        "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
        "a8061dc1305136c6c22b8baf0c0127a9")]
    [InlineData( // appendix A.3, #7: the sum is 2^130 - 5 exactly after multiplying
        "0200000000000000000000000000000000000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000")]
    [InlineData( // #8: adding s goes beyond 2^128
        "02000000000000000000000000000000ffffffffffffffffffffffffffffffff", "02000000000000000000000000000000", "03000000000000000000000000000000")]
    [InlineData( // #9: between 2^130 - 5 and 2^130
        "0100000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
        "05000000000000000000000000000000")]
    [InlineData( // #10
        "0100000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
        "00000000000000000000000000000000")]
    [InlineData( // #11
        "0200000000000000000000000000000000000000000000000000000000000000", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff")]
    public void Computes_the_tags_of_the_RFC(string key, string message, string tag) =>
        Assert.Equal(tag, Convert.ToHexStringLower(ReferenceAead.Poly1305(Convert.FromHexString(key), Convert.FromHexString(message))));

    [Fact] // section 2.6.2, whose nonce has 4 zero bytes in front as WireGuard's
    public void Derives_the_one_time_key_of_the_RFC() => Assert.Equal(
        "8ad5a08b905f81cc815040274ab29471a833b637e3fd0da508dbb8e2fdd1a646",
        Convert.ToHexStringLower(ReferenceAead.OneTimeKey(Enumerable.Range(0x80, 32).Select(i => (byte)i).ToArray(), 0x0706050403020100)));
}
