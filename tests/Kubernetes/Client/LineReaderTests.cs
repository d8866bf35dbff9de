using System.Text;

namespace WgMesh.Kubernetes.Tests;

public class LineReaderTests
{
    [Fact]
    public async Task Lines_are_whole_after_longer_and_shorter_ones()
    {
        string[] lines = ["a", new('b', 70_000), "", new('c', 300_000), "d", new('e', 65_536), "f"];
        var reader = new LineReader(new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n")));
        foreach (var line in lines)
            Assert.Equal(line, Encoding.UTF8.GetString((await reader.ReadAsync(default))!.Value.Span));
        Assert.Null(await reader.ReadAsync(default));
    }

    [Fact]
    public async Task A_line_without_an_end_is_not_one()
    {
        var reader = new LineReader(new MemoryStream("whole\npart"u8.ToArray()));
        Assert.Equal("whole", Encoding.UTF8.GetString((await reader.ReadAsync(default))!.Value.Span));
        await Assert.ThrowsAsync<IOException>(() => reader.ReadAsync(default).AsTask());
    }

    [Fact]
    public async Task A_line_that_does_not_end_does_not_take_all_memory()
    {
        var piece = new byte[1 << 20];
        var sent = 0L;
        var reader = new LineReader(new PiecewiseStream(Endless()));
        await Assert.ThrowsAsync<IOException>(() => reader.ReadAsync(default).AsTask());
        Assert.InRange(sent, LineReader.MaxLength, 3L * LineReader.MaxLength);

        IEnumerable<byte[]> Endless()
        {
            for (; sent < 3L * LineReader.MaxLength; sent += piece.Length)
                yield return piece;
        }
    }
}
