using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using WgMesh.Rpc;

namespace WgMesh.Cli;

/// <summary>How the operator is asked: the options that every command that asks it has.</summary>
internal sealed class Connection
{
    private readonly Option<Uri> _operator = new("--operator")
    {
        Description = "URL of the operator, from WGMESH_OPERATOR if left out.",
        HelpName = "URL",
        CustomParser = argument =>
        {
            var text = argument.Tokens[0].Value;
            if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps)
                return url;
            argument.AddError($"\"{text}\" is not a URL such as https://192.0.2.1:7443.");
            return null;
        },
    };

    private readonly Option<string> _authority = new("--ca")
    {
        Description = "The operator's certificate authority (ca.crt in its state folder), from WGMESH_CA if left out; " +
            "without either, those of the system.",
        HelpName = "FILE",
    };

    private readonly Option<string> _tokenFile = new("--token-file")
    {
        Description = "File with a token for tools: a token alone, or the operator's own file of lines \"TOKEN NODE\". " +
            "From WGMESH_TOKEN_FILE if left out.",
        HelpName = "FILE",
    };

    /// <summary>In bytes: a large mesh has thousands of peers, and the links of some of them may be asked for.</summary>
    private const int LargestStatus = 256 << 20;

    public void AddTo(Command command)
    {
        command.Options.Add(_operator);
        command.Options.Add(_authority);
        command.Options.Add(_tokenFile);
    }

    /// <summary>Asks the operator, and says in a sentence why that did not work.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> AskAsync(ParseResult parsed, Func<Mesh.MeshClient, Task<int>> ask)
    {
        var error = parsed.InvocationConfiguration.Error;
        try
        {
            var url = parsed.GetValue(_operator) ?? FromEnvironment();
            using var channel = GrpcChannel.ForAddress(url, new GrpcChannelOptions
            {
                HttpHandler = ChannelHandler.Create(Authority(parsed)),
                DisposeHttpClient = true,
                MaxReceiveMessageSize = LargestStatus,
                Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, Token(parsed)),
            });
            return await ask(new Mesh.MeshClient(channel));
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.NotFound or StatusCode.FailedPrecondition or StatusCode.InvalidArgument)
        {
            error.WriteLine(e.Status.Detail);
            return CommandLine.No;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            error.WriteLine($"The operator refused the token: {e.Status.Detail}");
            return CommandLine.NoAnswer;
        }
        catch (RpcException e)
        {
            error.WriteLine($"The operator could not be asked ({e.StatusCode}): {Cause(e)}");
            return CommandLine.NoAnswer;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or InvalidDataException)
        {
            error.WriteLine(e.Message);
            return CommandLine.NoAnswer;
        }
    }

    private static Uri FromEnvironment() =>
        Environment.GetEnvironmentVariable("WGMESH_OPERATOR") is not { Length: > 0 } text
            ? throw new InvalidDataException("Which operator? Give --operator URL or set WGMESH_OPERATOR.")
            : Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps
                ? url
                : throw new InvalidDataException($"WGMESH_OPERATOR: \"{text}\" is not a URL such as https://192.0.2.1:7443.");

    private X509Certificate2Collection? Authority(ParseResult parsed)
    {
        if ((parsed.GetValue(_authority) ?? Environment.GetEnvironmentVariable("WGMESH_CA")) is not { Length: > 0 } path)
            return null;

        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(path);
        return authorities.Count > 0 ? authorities : throw new InvalidDataException($"{path} has no certificate in PEM.");
    }

    private CallCredentials Token(ParseResult parsed)
    {
        if ((parsed.GetValue(_tokenFile) ?? Environment.GetEnvironmentVariable("WGMESH_TOKEN_FILE")) is not { Length: > 0 } path)
            throw new InvalidDataException("The operator asks for a token: give --token-file FILE or set WGMESH_TOKEN_FILE.");

        var token = TokenIn(File.ReadLines(path))
            ?? throw new InvalidDataException($"{path} has no token for tools: a token alone, or a line \"TOKEN *\".");
        return CallCredentials.FromInterceptor((_, metadata) =>
        {
            metadata.Add("authorization", $"Bearer {token}");
            return Task.CompletedTask;
        });
    }

    /// <summary>The first token that stands alone or is for all nodes: one for a single node is not for tools.</summary>
    internal static string? TokenIn(IEnumerable<string> lines) => lines
        .Where(line => !line.TrimStart().StartsWith('#'))
        .Select(line => line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        .FirstOrDefault(words => words is [_] or [_, "*"])?[0];

    private static string Cause(RpcException e)
    {
        // the innermost cause says what a person can act on: a name that does not resolve, a refused connection, an unknown authority
        var cause = e.Status.DebugException?.GetBaseException().Message;
        return cause is null || e.Status.Detail.Contains(cause, StringComparison.Ordinal)
            ? e.Status.Detail
            : $"{e.Status.Detail} ({cause})";
    }
}
