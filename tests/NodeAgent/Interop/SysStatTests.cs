using WgMesh.NodeAgent.Interop;

namespace WgMesh.NodeAgent.Tests.Interop;

public sealed class SysStatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_at_its_path_until_it_is_deleted_also_if_there_is_another_then()
    {
        var path = _folder.File("file");
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Assert.True(SysStat.IsAt(file, path));
        File.CreateSymbolicLink(_folder.File("link"), path);
        Assert.True(SysStat.IsAt(file, _folder.File("link")));

        File.Delete(path);
        Assert.False(SysStat.IsAt(file, path));

        File.WriteAllText(path, "");
        Assert.False(SysStat.IsAt(file, path));
    }
}
