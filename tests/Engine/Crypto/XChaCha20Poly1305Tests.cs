using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Tests.Crypto;

public sealed class XChaCha20Poly1305Tests
{
    private static readonly byte[] Key = Enumerable.Range(0x80, 32).Select(i => (byte)i).ToArray();
    private static readonly byte[] Nonce = Enumerable.Range(0x40, 24).Select(i => (byte)i).ToArray();
    private static readonly byte[] AssociatedData = Convert.FromHexString("50515253c0c1c2c3c4c5c6c7");

    [Fact] // draft-irtf-cfrg-xchacha-03, section 2.2.1
    public void HChaCha20_derives_the_key_of_the_draft()
    {
        var subkey = new byte[32];
        XChaCha20Poly1305.HChaCha20(
            Enumerable.Range(0, 32).Select(i => (byte)i).ToArray(), Convert.FromHexString("000000090000004a0000000031415927"), subkey);
        Assert.Equal("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", Convert.ToHexStringLower(subkey));
    }

    [Fact] // draft-irtf-cfrg-xchacha-03, appendix A.3.1
    public void Seals_and_opens_the_vector_of_the_draft()
    {
        var plaintext = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."u8;
        var sealedBytes = new byte[plaintext.Length + 16];
        XChaCha20Poly1305.Seal(Key, Nonce, plaintext, sealedBytes, AssociatedData);
        Assert.Equal(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
            + "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"
            + "c0875924c1c7987947deafd8780acf49",
            Convert.ToHexStringLower(sealedBytes));

        var opened = new byte[plaintext.Length];
        Assert.True(XChaCha20Poly1305.TryOpen(Key, Nonce, sealedBytes, opened, AssociatedData));
        Assert.Equal(plaintext.ToArray(), opened);
    }

    [Fact]
    public void What_is_not_authentic_is_refused_and_leaves_no_plaintext()
    {
        var cookie = Enumerable.Repeat((byte)0xaa, 16).ToArray();
        var sealedBytes = new byte[32];
        XChaCha20Poly1305.Seal(Key, Nonce, cookie, sealedBytes, AssociatedData);
        var opened = cookie.ToArray();

        var otherNonce = Nonce.ToArray();
        otherNonce[0] ^= 1;
        Assert.False(XChaCha20Poly1305.TryOpen(Key, otherNonce, sealedBytes, opened, AssociatedData));
        Assert.All(opened, b => Assert.Equal(0, b));

        Assert.False(XChaCha20Poly1305.TryOpen(Key, Nonce, sealedBytes, opened));
        sealedBytes[^1] ^= 1;
        Assert.False(XChaCha20Poly1305.TryOpen(Key, Nonce, sealedBytes, opened, AssociatedData));
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>("key", () => XChaCha20Poly1305.Seal(new byte[31], Nonce, default, new byte[16]));
        Assert.Throws<ArgumentException>("nonce", () => XChaCha20Poly1305.Seal(Key, new byte[12], default, new byte[16]));
        Assert.Throws<ArgumentException>("nonce", () => XChaCha20Poly1305.TryOpen(Key, new byte[25], new byte[16], default));
    }
}
