using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class PluginFolderTests : IDisposable
{
    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;

    private readonly TemporaryFolder _folder = new();
    private readonly string _bin;
    private readonly string _source;

    public PluginFolderTests()
    {
        _bin = Directory.CreateDirectory(_folder.File("bin")).FullName;
        _source = Directory.CreateDirectory(_folder.File("source")).FullName;
        foreach (var name in Conflist.Plugins)
        {
            Write(_source, name, $"{name} 1");
        }
    }

    public void Dispose() => _folder.Dispose();

    private PluginFolder Plugins => new(_bin, _source);

    [Fact]
    public void What_is_missing_is_put_there_and_what_others_put_there_is_left()
    {
        Write(_bin, "ptp", "theirs");
        Assert.Empty(Plugins.Install());
        Assert.Equal("theirs", Read("ptp"));
        Assert.Equal("host-local 1", Read("host-local"));
        Assert.Equal(Executable, File.GetUnixFileMode(Path.Combine(_bin, "portmap")));
        Assert.Equal([".wgmesh-installed", "host-local", "loopback", "portmap", "ptp"], Names());
        Assert.Equal(["host-local", "loopback", "portmap"], File.ReadLines(Path.Combine(_bin, ".wgmesh-installed")).Select(line => line[66..]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Taken_away_is_what_was_put_there_and_nothing_else_also_by_another_process()
    {
        Write(_bin, "ptp", "theirs");
        Write(_bin, "bridge", "theirs");
        Plugins.Install();
        Write(_bin, "portmap", "changed by somebody");
        Assert.Empty(Plugins.Remove());
        Assert.Equal(["bridge", "portmap", "ptp"], Names());
        Assert.Empty(Plugins.Remove());
    }

    [Fact]
    public void A_newer_agent_renews_what_an_older_one_put_there_and_still_knows_it_as_its_own()
    {
        Write(_bin, "ptp", "theirs");
        var older = Plugins;
        older.Install();
        Write(_source, "host-local", "host-local 2");
        Write(_source, "ptp", "ptp 2");
        older.Install();
        Assert.Equal("host-local 1", Read("host-local"));

        Assert.Empty(Plugins.Install());
        Assert.Equal("host-local 2", Read("host-local"));
        Assert.Equal("theirs", Read("ptp"));
        Assert.Empty(Plugins.Remove());
        Assert.Equal(["ptp"], Names());
    }

    [Fact]
    public void A_plugin_is_ours_even_if_the_agent_was_killed_before_it_was_there()
    {
        Plugins.Install();
        File.Delete(Path.Combine(_bin, "ptp"));
        Assert.Empty(Plugins.Install());
        Assert.Equal("ptp 1", Read("ptp"));
        Assert.Empty(Plugins.Remove());
        Assert.Empty(Names());
    }

    [Fact]
    public void What_an_interrupted_write_left_is_removed()
    {
        Write(_bin, $"ptp.4711.{Guid.NewGuid():n}.new", "half");
        Write(_bin, "ptp.4711.new", "theirs");
        Assert.Empty(Plugins.Install());
        Assert.Equal([".wgmesh-installed", "host-local", "loopback", "portmap", "ptp", "ptp.4711.new"], Names());
    }

    [Fact]
    public void What_is_neither_here_nor_there_is_a_fault()
    {
        File.Delete(Path.Combine(_source, "portmap"));
        Assert.Equal(
            $"cni: the plugin portmap is neither in {_bin} nor in {_source}: install the CNI reference plugins there (on Debian: the package containernetworking-plugins)",
            Assert.Single(Plugins.Install()));
        Assert.Equal([".wgmesh-installed", "host-local", "loopback", "ptp"], Names());

        // what the node has is enough
        Write(_bin, "portmap", "theirs");
        Assert.Empty(new PluginFolder(_bin, _folder.File("nowhere")).Install());
    }

    [Fact]
    public void A_plugin_that_cannot_be_executed_is_a_fault()
    {
        File.WriteAllText(Path.Combine(_bin, "ptp"), "");
        Assert.Equal($"cni: {_bin}/ptp cannot be executed: make it so (chmod 755), or remove it", Assert.Single(Plugins.Install()));
    }

    [Fact]
    [Trait("needs", "system")] // a program that another test starts may hold on to the script that was just written, which then cannot be executed
    public void A_plugin_of_others_that_is_too_old_for_our_configuration_is_a_fault_until_it_is_renewed()
    {
        Write(_bin, "ptp", Speaking("0.1.0", "0.4.0", "0.3.1"));
        Write(_bin, "host-local", Speaking("0.4.0", "1.0.0"));
        // what runtimes call in a version of their own; what gives no answer here may give one on the node
        Write(_bin, "loopback", Speaking("0.3.1"));
        Write(_bin, "portmap", "#!/bin/sh\nexit 1\n");
        var plugins = Plugins;
        var fault = $"cni: {_bin}/ptp speaks CNI 0.4.0 at most, and the mesh's configuration is of 1.0.0: install newer reference plugins, 1.0 or later";
        Assert.Equal([fault], plugins.Install());
        Assert.Equal([fault], plugins.Install());

        Write(_bin, "ptp", Speaking("1.0.0", "1.1.0", "0.3.1"));
        Assert.Empty(plugins.Install());

        static string Speaking(params string[] versions) =>
            $"#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ] && echo '{{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"{string.Join("\",\"", versions)}\"]}}'\n";
    }

    [Fact]
    [Trait("needs", "system")] // a program that another test starts may hold on to the script that was just written, which then cannot be executed
    public void A_plugin_of_others_is_asked_once()
    {
        var calls = _folder.File("calls");
        Write(_bin, "ptp", $"#!/bin/sh\necho >>{calls}\n");
        var plugins = Plugins;
        Assert.Empty(plugins.Install());
        Assert.Empty(plugins.Install());
        Assert.Single(File.ReadAllLines(calls));
    }

    [Fact]
    public void A_link_is_a_plugin_wherever_it_leads_for_the_node_may_have_what_the_container_does_not_see()
    {
        File.CreateSymbolicLink(Path.Combine(_bin, "ptp"), "/nowhere/ptp");
        Assert.Empty(Plugins.Install());
        Assert.Empty(Plugins.Install());
        Assert.Empty(Plugins.Remove());
        Assert.Equal(["ptp"], Names());
    }

    [Fact]
    public void A_folder_in_the_place_of_a_plugin_is_a_fault()
    {
        Directory.CreateDirectory(Path.Combine(_bin, "ptp"));
        Assert.Equal($"cni: {_bin}/ptp is in the way of the plugin: remove it", Assert.Single(Plugins.Install()));
        Assert.Empty(Plugins.Remove());
        Assert.Equal(["ptp"], Names());
    }

    [Fact]
    public void A_folder_that_is_missing_is_a_fault_for_installing_and_none_for_removing()
    {
        var nowhere = _folder.File("nowhere");
        Assert.Equal(
            $"cni: the folder {nowhere} does not exist: make it, or name with --cni-bin-dir the one that the container runtime reads",
            Assert.Single(new PluginFolder(nowhere, _source).Install()));
        Assert.Empty(new PluginFolder(nowhere, _source).Remove());
    }

    private static void Write(string folder, string name, string content)
    {
        File.WriteAllText(Path.Combine(folder, name), content);
        File.SetUnixFileMode(Path.Combine(folder, name), Executable);
    }

    private string Read(string name) => File.ReadAllText(Path.Combine(_bin, name));

    private string[] Names() => [.. Directory.GetFileSystemEntries(_bin).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
