using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Tests.Identity;

public sealed class NodeKeyTests : IDisposable
{
    private const UnixFileMode Mode0600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Mode0700 = Mode0600 | UnixFileMode.UserExecute;

    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLog _log = new();

    private string State => _folder.File("state");

    private string KeyFile => Path.Combine(State, NodeKey.FileName);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_node_gets_a_key_that_only_its_owner_can_read()
    {
        var key = NodeKey.LoadOrCreate(State, _log);

        Assert.False(key.IsZero);
        Assert.Equal(Mode0600, File.GetUnixFileMode(KeyFile));
        Assert.Equal(Mode0700, File.GetUnixFileMode(State));
        Assert.Equal(45, File.ReadAllText(KeyFile).Length);
        Assert.Empty(_log.Warnings);
    }

    [Fact]
    public void The_key_is_clamped_as_wg_genkey_does()
    {
        var bytes = NodeKey.LoadOrCreate(State, _log).Bytes;

        Assert.Equal(0, bytes[0] & 7);
        Assert.Equal(64, bytes[31] & 192);
    }

    [Fact]
    public void The_key_stays_the_same_over_restarts()
    {
        var first = NodeKey.LoadOrCreate(State, _log);

        Assert.Equal(first, NodeKey.LoadOrCreate(State, _log));
    }

    [Fact]
    public void Two_nodes_have_two_keys() =>
        Assert.NotEqual(NodeKey.LoadOrCreate(State, _log), NodeKey.LoadOrCreate(_folder.File("other"), _log));

    [Fact]
    public void Processes_that_start_at_the_same_time_agree_on_one_key()
    {
        var keys = Enumerable.Range(0, 16).AsParallel().WithDegreeOfParallelism(16)
            .Select(_ => NodeKey.LoadOrCreate(State, _log)).ToArray();

        Assert.All(keys, key => Assert.Equal(keys[0], key));
        Assert.Equal([KeyFile], Directory.GetFiles(State));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead | UnixFileMode.OtherWrite)]
    public void A_wrong_mode_is_repaired_with_a_warning(UnixFileMode open)
    {
        var key = NodeKey.LoadOrCreate(State, _log);
        File.SetUnixFileMode(KeyFile, Mode0600 | open);
        File.SetUnixFileMode(State, Mode0700 | open);

        Assert.Equal(key, NodeKey.LoadOrCreate(State, _log));
        Assert.Equal(Mode0600, File.GetUnixFileMode(KeyFile));
        Assert.Equal(Mode0700, File.GetUnixFileMode(State));
        Assert.Equal(2, _log.Warnings.Count());
        Assert.Contains(_log.Warnings, w => w.Contains(KeyFile, StringComparison.Ordinal) && w.Contains("0600", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not a key\n")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")] // all zero
    [InlineData("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==\n")] // 31 bytes
    [InlineData("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE")] // cut off
    public void A_file_without_a_key_is_an_error_that_says_what_to_do_and_is_left_as_it_is(string content)
    {
        Directory.CreateDirectory(State);
        File.WriteAllText(KeyFile, content);

        var error = Assert.Throws<AgentException>(() => NodeKey.LoadOrCreate(State, _log));

        Assert.Contains(KeyFile, error.Message, StringComparison.Ordinal);
        Assert.Contains("backup", error.Message, StringComparison.Ordinal);
        Assert.Contains("delete the file", error.Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(KeyFile));
        // a key with a typing error is nearly a key
        Assert.True(content.Trim().Length == 0 || !error.Message.Contains(content.Trim(), StringComparison.Ordinal));
    }

    [Fact]
    public void A_huge_file_in_place_of_the_key_is_an_error_too()
    {
        Directory.CreateDirectory(State);
        File.WriteAllText(KeyFile, new string('A', 1_000_000));

        Assert.Throws<AgentException>(() => NodeKey.LoadOrCreate(State, _log));
    }

    [Fact]
    public void A_key_that_wg_genkey_wrote_is_taken()
    {
        Directory.CreateDirectory(State);
        File.WriteAllText(KeyFile, "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n");

        Assert.Equal("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", Convert.ToBase64String(NodeKey.LoadOrCreate(State, _log).Bytes));
    }

    [Fact]
    public void A_folder_that_everybody_shares_is_refused_and_stays_as_it_is()
    {
        var shared = UnixFileMode.StickyBit | Mode0700 | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(State);
        File.SetUnixFileMode(State, shared);

        Assert.Throws<AgentException>(() => NodeKey.LoadOrCreate(State, _log));
        Assert.Equal(shared, File.GetUnixFileMode(State));
    }

    [Fact]
    public void The_key_is_never_logged()
    {
        var key = NodeKey.LoadOrCreate(State, _log);

        Assert.NotEmpty(_log.Lines);
        Assert.DoesNotContain(Convert.ToBase64String(key.Bytes), _log.All, StringComparison.Ordinal);
    }
}
