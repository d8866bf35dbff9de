using WgMesh.NodeAgent.Handover;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Handover;

public sealed class FirstStartTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_restart_makes_no_agent_newer()
    {
        var pod = _folder.File("pod");
        var first = FirstStart.Of(pod, _time);
        Assert.Equal(new FirstStart(_time.GetUtcNow(), IsNow: true), first);

        _time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(first with { IsNow = false }, FirstStart.Of(pod, _time));
        Assert.Equal(first with { IsNow = false }, FirstStart.Of(pod, _time));
    }

    [Fact]
    public void Without_a_folder_every_start_is_a_first_one()
    {
        FirstStart.Of(null, _time);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(new FirstStart(_time.GetUtcNow(), IsNow: true), FirstStart.Of(null, _time));
    }

    [Fact]
    public void A_file_that_says_nothing_is_written_anew()
    {
        File.WriteAllText(_folder.File(FirstStart.FileName), "");
        Assert.True(FirstStart.Of(_folder.Path, _time).IsNow);
        Assert.False(FirstStart.Of(_folder.Path, _time).IsNow);
    }
}
