using System.Security.Cryptography;
using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Tests.Crypto;

public sealed class X25519Tests
{
    [Theory]
    [InlineData( // RFC 7748, section 5.2, first vector
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData( // second vector: the point's highest bit is set and has to be ignored
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    [InlineData( // section 6.1, Alice's side
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")]
    [InlineData( // and Bob's
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")]
    public void Agrees_as_in_RFC_7748(string privateKey, string publicKey, string expected)
    {
        var shared = new byte[32];
        Assert.True(X25519.TryAgree(Convert.FromHexString(privateKey), Convert.FromHexString(publicKey), shared));
        Assert.Equal(expected, Convert.ToHexStringLower(shared));
    }

    [Theory] // RFC 7748, section 6.1
    [InlineData(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")]
    [InlineData(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")]
    public void Derives_the_public_key_as_in_RFC_7748(string privateKey, string expected)
    {
        var publicKey = new byte[32];
        X25519.PublicKey(Convert.FromHexString(privateKey), publicKey);
        Assert.Equal(expected, Convert.ToHexStringLower(publicKey));
    }

    [Fact] // RFC 7748, section 5.2
    public void A_thousand_iterations_end_where_RFC_7748_says()
    {
        var scalar = new byte[32];
        scalar[0] = 9;
        var point = scalar.ToArray();
        for (var i = 0; i < 1000; i++)
        {
            var next = new byte[32];
            Assert.True(X25519.TryAgree(scalar, point, next));
            (scalar, point) = (next, scalar);
        }

        Assert.Equal("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", Convert.ToHexStringLower(scalar));
    }

    [Theory] // the points that Wycheproof's x25519_test.json marks LowOrderPublic, canonical or not, with and without the ignored bit
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000080")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000080")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
    public void A_low_order_point_is_refused(string point)
    {
        var shared = new byte[32];
        shared.AsSpan().Fill(0xff);
        Assert.False(X25519.TryAgree(RandomNumberGenerator.GetBytes(32), Convert.FromHexString(point), shared));
        Assert.All(shared, b => Assert.Equal(0, b));
    }

    [Fact]
    public void After_a_refusal_the_next_agreement_works()
    {
        var privateKey = RandomNumberGenerator.GetBytes(32);
        var publicKey = new byte[32];
        X25519.PublicKey(privateKey, publicKey);
        var shared = new byte[32];
        Assert.False(X25519.TryAgree(privateKey, new byte[32], shared));
        Assert.True(X25519.TryAgree(privateKey, publicKey, shared));
    }

    [Fact]
    public void Clamping_changes_neither_the_public_key_nor_a_clamped_key()
    {
        var raw = new byte[32];
        raw.AsSpan().Fill(0xff);
        var clamped = raw.ToArray();
        X25519.Clamp(clamped);
        Assert.Equal("f8" + string.Concat(Enumerable.Repeat("ff", 30)) + "7f", Convert.ToHexStringLower(clamped));
        var again = clamped.ToArray();
        X25519.Clamp(again);
        Assert.Equal(clamped, again);

        byte[] ofRaw = new byte[32], ofClamped = new byte[32];
        X25519.PublicKey(raw, ofRaw);
        X25519.PublicKey(clamped, ofClamped);
        Assert.Equal(ofRaw, ofClamped);

        var zero = new byte[32];
        X25519.Clamp(zero);
        Assert.Equal(0x40, zero[31]);
    }

    [Fact]
    public void A_key_of_another_length_is_refused_by_name()
    {
        Assert.Throws<ArgumentException>("privateKey", () => X25519.Clamp(new byte[31]));
        Assert.Throws<ArgumentException>("publicKey", () => X25519.TryAgree(new byte[32], new byte[33], new byte[32]));
        Assert.Throws<ArgumentException>("shared", () => X25519.TryAgree(new byte[32], new byte[32], new byte[16]));
    }
}
