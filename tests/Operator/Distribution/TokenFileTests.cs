using Microsoft.Extensions.Logging;
using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Tests.Distribution;

public sealed class TokenFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ListLogger<TokenFile> _log = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_token_may_be_for_several_nodes()
    {
        var tokens = Open("# comment\n\nsecret a\nsecret\tb\r\n other  c \n");

        Assert.Equal(["a", "b"], (await AuthenticateAsync(tokens, "Bearer secret"))!.Nodes.Order());
        Assert.Equal(["c"], (await AuthenticateAsync(tokens, "bearer other"))!.Nodes);
        Assert.False((await AuthenticateAsync(tokens, "Bearer secret"))!.IsAnyNode);
        Assert.Null(await AuthenticateAsync(tokens, "Bearer"));
        Assert.Null(await AuthenticateAsync(tokens, "Basic secret"));
        Assert.Null(await AuthenticateAsync(tokens, "secret"));
        Assert.Null(await AuthenticateAsync(tokens, "Bearer #"));
        Assert.Null(await AuthenticateAsync(tokens, null));
    }

    [Theory]
    [InlineData("secret\n")]
    [InlineData("secret a b\n")]
    public void A_line_that_is_not_a_token_and_a_node_is_an_error_that_does_not_show_it(string line)
    {
        var error = Assert.Throws<InvalidDataException>(() => Open("good a\n" + line));
        Assert.Contains("tokens:2", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_could_not_be_read_is_read_when_it_can_be_though_it_looks_the_same()
    {
        var tokens = Open("secret a\n");
        var path = _folder["tokens"];
        File.WriteAllText(path, "secretly\n"); // as long as the next one, and as old
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);
        Assert.NotNull(await AuthenticateAsync(tokens, "Bearer secret"));
        Assert.NotNull(await AuthenticateAsync(tokens, "Bearer secret"));
        Assert.Single(_log.Lines, line => line.Contains("could not be read anew", StringComparison.Ordinal));

        File.WriteAllText(path, "better a\n");
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);
        Assert.NotNull(await AuthenticateAsync(tokens, "Bearer better"));
    }

    [Theory]
    [InlineData("600", false)]
    [InlineData("640", true)]
    [InlineData("604", true)]
    public void A_file_that_others_can_read_is_warned_of(string mode, bool warned)
    {
        Open("secret a\n", (UnixFileMode)Convert.ToInt32(mode, 8));
        Assert.Equal(warned, _log.Lines.Any(line => line.Contains(mode, StringComparison.Ordinal)));
        Assert.DoesNotContain(_log.Lines, line => line.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_is_made_with_one_random_token_and_kept()
    {
        TokenFile.CreateIfMissing(_folder["made"]);
        var text = File.ReadAllText(_folder["made"]);
        TokenFile.CreateIfMissing(_folder["made"]);

        Assert.Equal(text, File.ReadAllText(_folder["made"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["made"]));
        Assert.True((await AuthenticateAsync(new TokenFile(_folder["made"], _log), "Bearer " + text.Split(' ')[0]))!.IsAnyNode);
    }

    private static async Task<Caller?> AuthenticateAsync(TokenFile tokens, string? header) =>
        await tokens.AuthenticateAsync(header, "ipv4:127.0.0.1", CancellationToken.None);

    private TokenFile Open(string text, UnixFileMode mode = UnixFileMode.UserRead)
    {
        File.WriteAllText(_folder["tokens"], text);
        File.SetUnixFileMode(_folder["tokens"], mode);
        return new TokenFile(_folder["tokens"], _log);
    }
}

internal sealed class ListLogger<T> : ILogger<T>
{
    public List<string> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Add(formatter(state, exception));
}
