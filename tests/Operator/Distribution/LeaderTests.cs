using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Tests.Distribution;

public class LeaderTests
{
    [Fact]
    public void A_single_operator_leads_and_of_several_nobody_does_at_first()
    {
        Assert.Equal(new LeaderView(true, null), Leader.Alone().View.Value);
        Assert.Equal(new LeaderView(false, null), Leader.Elected().View.Value);
    }

    [Theory]
    [InlineData("operator-7d9f_192.0.2.1:7443", "https://192.0.2.1:7443/")]
    [InlineData("a_b_192.0.2.1:7443", "https://192.0.2.1:7443/")]
    [InlineData("a_[2001:db8::1]:7443", "https://[2001:db8::1]:7443/")]
    [InlineData("a_operator.example.org:7443", "https://operator.example.org:7443/")]
    [InlineData("192.0.2.1:7443", null)] // no name: nobody of ours wrote it
    [InlineData("a_", null)]
    [InlineData("a_192.0.2.1:7443/path", null)]
    [InlineData("a_user@192.0.2.1:7443", null)]
    [InlineData("a_192.0.2.1:port", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void Where_the_leader_is_is_read_from_the_holder_of_the_lease(string? holder, string? address)
    {
        var leader = Leader.Elected();
        leader.Follow(holder, isThis: false);
        Assert.Equal(new LeaderView(false, address is null ? null : new Uri(address)), leader.View.Value);
    }

    [Fact]
    public void A_leader_does_not_call_itself_and_what_is_said_again_is_no_news()
    {
        var leader = Leader.Elected();
        leader.Follow("a_192.0.2.1:7443", isThis: true);
        var view = leader.View.Value;
        Assert.Equal(new LeaderView(true, null), view);
        leader.Follow("a_192.0.2.1:7443", isThis: true);
        Assert.Same(view, leader.View.Value);
        leader.Follow("b_192.0.2.2:7443", isThis: false);
        Assert.Equal(new LeaderView(false, new Uri("https://192.0.2.2:7443")), leader.View.Value);
    }
}
