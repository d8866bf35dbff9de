using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Tests.Identity;

public sealed class PrivateFolderTests : IDisposable
{
    private const UnixFileMode Open = PrivateFile.FolderMode | UnixFileMode.GroupRead | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly TemporaryFolder _temporary = new();
    private readonly string _folder;

    public PrivateFolderTests()
    {
        _folder = _temporary.File("run");
    }

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_folder_that_is_not_there_is_made_for_its_owner_alone()
    {
        Assert.True(Secure());
        Assert.Equal(PrivateFile.FolderMode, File.GetUnixFileMode(_folder));
    }

    [Fact]
    public void An_empty_one_is_closed_without_a_word()
    {
        Make();
        Assert.True(Secure());
        Assert.Equal(PrivateFile.FolderMode, File.GetUnixFileMode(_folder));
    }

    [Theory]
    [InlineData("a.lock")]
    [InlineData("a.sock")]
    [InlineData("a.lock.17.0123456789abcdef0123456789abcdef.new")]
    public void One_in_which_files_of_ours_were_open_to_others_is_closed_and_that_is_told(string name)
    {
        Make(name);
        Assert.False(Secure());
        Assert.Equal(PrivateFile.FolderMode, File.GetUnixFileMode(_folder));
        Assert.True(Secure());
    }

    [Theory]
    [InlineData("dbus")]
    [InlineData("a.lock.d")]
    public void One_that_others_use_is_refused_and_stays_as_it_is(string name)
    {
        Make("a.lock", name);

        var e = Assert.Throws<AgentException>(() => Secure());

        Assert.Contains($"--run-dir: {_folder} is not the agent's own", e.Message, StringComparison.Ordinal);
        Assert.Contains(name, e.Message, StringComparison.Ordinal);
        Assert.Contains($"such as {_folder}/wgmesh", e.Message, StringComparison.Ordinal);
        Assert.Equal(Open, File.GetUnixFileMode(_folder));
    }

    [Fact]
    public void One_that_everybody_shares_is_refused()
    {
        Make();
        File.SetUnixFileMode(_folder, Open | UnixFileMode.StickyBit);
        Assert.Contains("shared by everybody", Assert.Throws<AgentException>(() => Secure()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_is_closed_already_is_nobody_elses_whatever_it_holds()
    {
        Make("notes");
        File.SetUnixFileMode(_folder, PrivateFile.FolderMode);
        Assert.True(Secure());
    }

    private bool Secure() => PrivateFolder.Secure(_folder, "--run-dir", "a.lock", "a.sock");

    private void Make(params string[] files)
    {
        Directory.CreateDirectory(_folder);
        File.SetUnixFileMode(_folder, Open);
        foreach (var file in files)
        {
            File.WriteAllText(Path.Combine(_folder, file), "");
        }
    }
}
