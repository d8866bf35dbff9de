using WgMesh.Engine.Crypto;

namespace WgMesh.Engine.Tests.Crypto;

public sealed class HkdfTests
{
    [Theory] // wireguard-go, device/kdf_test.go
    [InlineData(
        "746573742d6b6579",
        "746573742d696e707574",
        "6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
        "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
        "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24")]
    [InlineData(
        "776972656775617264",
        "776972656775617264",
        "491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
        "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
        "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160")]
    [InlineData(
        "",
        "",
        "8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
        "58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
        "0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e")]
    public void Derives_what_other_implementations_derive(string key, string input, string t1, string t2, string t3)
    {
        byte[] k = Convert.FromHexString(key), i = Convert.FromHexString(input);
        byte[] a = new byte[32], b = new byte[32], c = new byte[32];

        Hkdf.Kdf1(k, i, a);
        Assert.Equal(t1, Convert.ToHexStringLower(a));

        Hkdf.Kdf2(k, i, a, b);
        Assert.Equal((t1, t2), (Convert.ToHexStringLower(a), Convert.ToHexStringLower(b)));

        Hkdf.Kdf3(k, i, a, b, c);
        Assert.Equal((t1, t2, t3), (Convert.ToHexStringLower(a), Convert.ToHexStringLower(b), Convert.ToHexStringLower(c)));
    }

    [Fact]
    public void A_chaining_key_can_be_replaced_in_place()
    {
        byte[] chainingKey = new byte[32], input = new byte[32];
        byte[] t1 = new byte[32], t2 = new byte[32], t3 = new byte[32];
        Hkdf.Kdf3(chainingKey, input, t1, t2, t3);
        byte[] second = new byte[32];
        Hkdf.Kdf3(chainingKey, input, chainingKey, second, input);
        Assert.Equal(t1, chainingKey);
        Assert.Equal(t2, second);
        Assert.Equal(t3, input);
    }

    [Fact]
    public void A_key_longer_than_a_block_is_refused() =>
        Assert.Throws<ArgumentException>("key", () => Hkdf.Hmac(new byte[65], default, new byte[32]));
}
