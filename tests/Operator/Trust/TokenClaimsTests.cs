using System.Buffers.Text;
using System.Text;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

public sealed class TokenClaimsTests
{
    [Fact]
    public void End_audiences_and_subject_are_read()
    {
        var claims = TokenClaims.Read(Token("""{"exp":1700000000,"aud":["wgmesh","other"],"sub":"system:serviceaccount:a:b"}"""))!;
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), claims.Expires);
        Assert.Equal<string>(["wgmesh", "other"], claims.Audiences);
        Assert.Equal("system:serviceaccount:a:b", claims.Subject);
        Assert.Equal<string>(["one"], TokenClaims.Read(Token("""{"aud":"one"}"""))!.Audiences);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(5), TokenClaims.Read(Token("""{"exp":5.9}"""))!.Expires);
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"exp":"soon","aud":7,"sub":[]}""")]
    [InlineData("""{"exp":-1,"aud":[1,null],"sub":null}""")]
    [InlineData("""{"exp":1e300,"aud":{}}""")]
    public void What_is_not_as_it_should_be_says_nothing(string payload)
    {
        var claims = TokenClaims.Read(Token(payload))!;
        Assert.Null(claims.Expires);
        Assert.Empty(claims.Audiences);
        Assert.Null(claims.Subject);
    }

    [Theory]
    [InlineData("opaque")]
    [InlineData("a.b")]
    [InlineData("a.!.c")]
    [InlineData("a.e30.c.d")]
    [InlineData("a.W10.c")] // []
    [InlineData("a..c")]
    public void What_is_no_web_token_has_no_claims(string token) => Assert.Null(TokenClaims.Read(token));

    [Fact]
    public void Half_a_character_is_no_claim() => Assert.Null(TokenClaims.Read(Token("""{"sub":"\ud800"}""")));

    private static string Token(string payload) => $"e30.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}.x";
}
