using System.Text;
using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Tests.Identity;

public sealed class PrivateFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_reader_sees_the_old_content_or_the_new_and_never_a_part()
    {
        var path = _folder.File("file");
        string[] contents = [new('a', 200_000), new('b', 300_000)];
        PrivateFile.Replace(path, Encoding.ASCII.GetBytes(contents[0]));

        var reads = 0;
        using var done = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                Assert.Contains(File.ReadAllText(path), contents);
                Interlocked.Increment(ref reads);
            }
        });
        for (var i = 0; (i < 50 || Volatile.Read(ref reads) < 50) && !reader.IsCompleted; i++)
        {
            PrivateFile.Replace(path, Encoding.ASCII.GetBytes(contents[i % 2]));
        }

        await done.CancelAsync();
        await reader;
    }

    [Fact]
    public void Replacing_a_file_that_was_open_to_others_closes_it()
    {
        var path = _folder.File("file");
        File.WriteAllText(path, "old");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);

        PrivateFile.Replace(path, "new"u8);

        Assert.Equal(PrivateFile.FileMode, File.GetUnixFileMode(path));
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void A_write_that_fails_leaves_the_old_file_and_nothing_else()
    {
        // a folder in the file's place makes the rename fail, after the content was written
        var path = _folder.File("file");
        Directory.CreateDirectory(Path.Combine(path, "occupied"));

        Assert.ThrowsAny<SystemException>(() => PrivateFile.Replace(path, "new"u8));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Creating_does_not_touch_a_file_that_is_there()
    {
        var path = _folder.File("file");
        Assert.True(PrivateFile.TryCreate(path, "first"u8));

        Assert.False(PrivateFile.TryCreate(path, "second"u8));
        Assert.Equal("first", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Path));
    }
}
