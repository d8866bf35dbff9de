using Google.Protobuf;
using WgMesh.NodeAgent.Sync;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class ConfigCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLog _log = new();

    private string File => _folder.File(ConfigCache.FileName);

    private ConfigCache Cache => new(_folder.Path, "a", _log);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_saved_comes_back()
    {
        var config = Config(
            ulong.MaxValue,
            Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray())),
            External("laptop", "gw.example.net:1", "fd99::2/128"));

        Cache.Save(config);

        Assert.Equal(config, Cache.Load());
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public void No_file_is_no_configuration_and_nothing_to_warn_of()
    {
        Assert.Null(Cache.Load());
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public void The_file_is_for_its_owner_alone()
    {
        Cache.Save(Config(1));

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
    }

    [Fact]
    public void A_file_that_was_opened_to_others_is_closed_with_a_warning_and_used()
    {
        Cache.Save(Config(1));
        System.IO.File.SetUnixFileMode(File, UnixFileMode.UserRead | UnixFileMode.OtherRead);

        Assert.NotNull(Cache.Load());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        Assert.Single(_log.Warnings);
    }

    [Theory]
    [InlineData("", "JsonReaderException")]
    [InlineData("{\"format\":1,\"node\":\"a\",\"config\":{\"revision\":", "JsonReaderException")] // cut off
    [InlineData("[]", "InvalidOperationException")]
    [InlineData("{}", "KeyNotFoundException")]
    [InlineData("{\"format\":\"1\"}", "InvalidOperationException")]
    [InlineData("{\"format\":2}", "its format is 2")]
    [InlineData("{\"format\":1,\"node\":\"z\",\"config\":{}}", "it is of node 'z'")]
    [InlineData("{\"format\":1,\"node\":\"a\"}", "KeyNotFoundException")]
    [InlineData("{\"format\":1,\"node\":\"a\",\"config\":{\"peers\":[{\"publicKey\":\"!\"}]}}", "InvalidProtocolBufferException")]
    [InlineData("{\"format\":1,\"node\":\"a\",\"config\":{\"revision\":-1}}", "InvalidProtocolBufferException")]
    [InlineData("{\"format\":1,\"node\":\"a\",\"config\":7}", "InvalidProtocolBufferException")]
    public void A_file_that_is_of_no_use_is_ignored_with_a_warning(string content, string why)
    {
        System.IO.File.WriteAllText(File, content);

        Assert.Null(Cache.Load());
        Assert.Contains(_log.Warnings, w => w.Contains(File, StringComparison.Ordinal) && w.Contains(why, StringComparison.Ordinal));
        Assert.Equal(content, System.IO.File.ReadAllText(File));
    }

    [Fact]
    public void Every_file_that_breaks_off_is_ignored()
    {
        Cache.Save(Config(1, Node("b")));
        var content = System.IO.File.ReadAllBytes(File);

        for (var length = 0; length < content.Length; length++)
        {
            System.IO.File.WriteAllBytes(File, content[..length]);
            Assert.Null(Cache.Load());
        }
    }

    [Fact]
    public void Fields_of_a_newer_agent_are_no_reason_to_have_no_configuration()
    {
        System.IO.File.WriteAllText(File, "{\"format\":1,\"node\":\"a\",\"news\":1,\"config\":{\"revision\":\"5\",\"news\":{}}}");

        Assert.Equal(5UL, Cache.Load()!.Revision);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_killed_writer_left_behind_goes_with_the_next_one(bool isSaved)
    {
        // it holds preshared keys
        System.IO.File.WriteAllText($"{File}.17.0123456789abcdef0123456789abcdef.new", "{");
        System.IO.File.WriteAllText(_folder.File("config.json.new"), "not ours");
        if (isSaved)
        {
            Cache.Save(Config(1));
        }
        else
        {
            Cache.Delete();
        }

        string[] left = [.. isSaved ? [File] : Array.Empty<string>(), _folder.File("config.json.new")];
        Assert.Equal(left, Directory.GetFiles(_folder.Path).Order());
    }

    [Fact]
    public void Deleting_what_is_not_there_is_done()
    {
        ConfigCache.Delete(_folder.Path);
        ConfigCache.Delete(_folder.File("none"));
        Assert.False(Directory.Exists(_folder.File("none")));
    }

    [Fact]
    public void A_disk_that_refuses_costs_the_cache_and_not_the_agent()
    {
        Directory.CreateDirectory(Path.Combine(File, "occupied"));

        Cache.Save(Config(1));

        Assert.Contains(_log.Warnings, w => w.Contains(File, StringComparison.Ordinal));
    }
}
