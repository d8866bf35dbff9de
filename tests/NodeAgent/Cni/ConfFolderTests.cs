using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class ConfFolderTests : IDisposable
{
    private static readonly DateTime LongAgo = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly TemporaryFolder _folder = new();
    private readonly ConfFolder _conf;
    private readonly string _ours;

    public ConfFolderTests()
    {
        _conf = new ConfFolder(_folder.Path);
        _ours = _folder.File("10-wgmesh.conflist");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_file_is_written_once_and_left_alone_while_it_is_right()
    {
        Assert.Empty(_conf.Write("a"u8.ToArray()));
        Assert.Equal("a", File.ReadAllText(_ours));
        File.SetLastWriteTimeUtc(_ours, LongAgo);

        Assert.Empty(_conf.Write("a"u8.ToArray()));
        Assert.Equal(LongAgo, File.GetLastWriteTimeUtc(_ours));

        Assert.Empty(_conf.Write("b"u8.ToArray()));
        Assert.Equal("b", File.ReadAllText(_ours));
        Assert.Equal([_ours], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_somebody_changed_or_deleted_is_put_right()
    {
        _conf.Write("a"u8.ToArray());
        File.AppendAllText(_ours, " ");
        Assert.Empty(_conf.Write("a"u8.ToArray()));
        Assert.Equal("a", File.ReadAllText(_ours));

        File.Delete(_ours);
        Assert.Empty(_conf.Write("a"u8.ToArray()));
        Assert.Equal("a", File.ReadAllText(_ours));
    }

    [Fact]
    public void What_an_interrupted_write_left_is_removed_and_nothing_else()
    {
        var left = $"{_ours}.4711.{Guid.NewGuid():n}.new";
        string[] others = [$"{_ours}.new", $"{_ours}.bak.new", $"{_ours}.4711.new", _folder.File($"9-x.conflist.4711.{Guid.NewGuid():n}.new")];
        foreach (var file in others.Append(left))
        {
            File.WriteAllText(file, "");
        }

        Assert.Empty(_conf.Write("a"u8.ToArray()));
        Assert.Equal(others.Append(_ours).Order(StringComparer.Ordinal), Directory.GetFiles(_folder.Path).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("05-x.conflist")]
    [InlineData("10-aaa.conf")]
    [InlineData("00.json")]
    [InlineData(".hidden.conflist")]
    public void A_foreign_configuration_before_ours_is_told_and_left_as_it_is(string name)
    {
        File.WriteAllText(_folder.File(name), "theirs");
        Assert.Equal(
            $"cni: {_folder.File(name)} comes before 10-wgmesh.conflist, so the container runtime connects pods by it; remove it, or install with cni.mode=none",
            Assert.Single(_conf.Write("a"u8.ToArray())));
        Assert.Equal("theirs", File.ReadAllText(_folder.File(name)));
        Assert.Equal("a", File.ReadAllText(_ours));
    }

    [Theory]
    [InlineData("10-wgmesh.conflist.bak")]
    [InlineData("05-x.conflist.disabled")]
    [InlineData("20-x.conflist")]
    [InlineData("wgmesh.conf")]
    public void A_file_behind_ours_or_one_that_no_runtime_reads_is_fine(string name)
    {
        File.WriteAllText(_folder.File(name), "theirs");
        Directory.CreateDirectory(_folder.File("00-folder.conflist"));
        Assert.Empty(_conf.Write("a"u8.ToArray()));
    }

    [Fact]
    public void A_folder_that_is_missing_or_none_is_a_fault_that_says_what_to_do()
    {
        var missing = _folder.File("net.d");
        Assert.Equal(
            $"cni: the folder {missing} does not exist: make it, or name with --cni-conf-dir the one that the container runtime reads",
            Assert.Single(new ConfFolder(missing).Write("a"u8.ToArray())));
        Assert.Null(new ConfFolder(missing).Remove());

        File.WriteAllText(missing, "");
        Assert.Equal(
            $"cni: {missing} is not a folder: name with --cni-conf-dir the one that the container runtime reads",
            Assert.Single(new ConfFolder(missing).Write("a"u8.ToArray())));
    }

    [Fact]
    public void Something_else_in_the_place_of_the_file_is_a_fault()
    {
        Directory.CreateDirectory(_ours);
        Assert.StartsWith($"cni: {_ours} cannot be changed: ", Assert.Single(_conf.Write("a"u8.ToArray())), StringComparison.Ordinal);
        Assert.Equal([_ours], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Only_our_file_is_removed_and_that_as_often_as_one_likes()
    {
        File.WriteAllText(_folder.File("20-x.conflist"), "theirs");
        _conf.Write("a"u8.ToArray());
        Assert.Null(_conf.Remove());
        Assert.Null(_conf.Remove());
        Assert.Equal([_folder.File("20-x.conflist")], Directory.GetFileSystemEntries(_folder.Path));
    }
}
