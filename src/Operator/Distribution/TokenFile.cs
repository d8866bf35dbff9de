using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Distribution;

/// <summary>
/// The tokens that callers prove themselves with: a file of lines <c>TOKEN NODE</c>, where the node <c>*</c> stands for all nodes and
/// for tools; empty lines and lines that begin with <c>#</c> say nothing. Read again whenever it changed; a file that cannot be
/// read leaves the tokens as they were. Thread-safe.
/// </summary>
internal sealed class TokenFile : IAuthenticator
{
    private readonly string _path;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private (DateTime, long) _stamp;
    private string? _complaint; // told once
    private ImmutableArray<Entry> _entries = [];

    /// <summary>Reads the file.</summary>
    /// <exception cref="InvalidDataException">A line of it is not a token and a node.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public TokenFile(string path, ILogger<TokenFile> logger)
    {
        (_path, _logger) = (path, logger);
        _stamp = Stamp();
        _entries = Read();
    }

    /// <summary>Makes a file with one random token, for all nodes and for tools, unless there is one.</summary>
    public static void CreateIfMissing(string path)
    {
        if (!File.Exists(path))
            AtomicFile.Write(path, Encoding.UTF8.GetBytes($"{RandomNumberGenerator.GetHexString(64, lowercase: true)} *\n"));
    }

    /// <inheritdoc/>
    public TimeSpan RecheckInterval => TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public ValueTask<Caller?> AuthenticateAsync(string? authorization, string from, CancellationToken cancellationToken) => new(Authenticate(authorization));

    private Caller? Authenticate(string? authorization)
    {
        const string scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            return null;

        // hashes are of one length, and every entry is compared: time tells nothing of how far a guess was right
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(authorization[scheme.Length..].Trim()), hash);
        var nodes = ImmutableHashSet.CreateBuilder<string>(StringComparer.Ordinal);
        foreach (var entry in Current())
        {
            if (CryptographicOperations.FixedTimeEquals(hash, entry.Hash))
                nodes.Add(entry.Node);
        }

        var isAnyNode = nodes.Contains("*");
        return nodes.Count == 0 ? null : new Caller { Nodes = nodes.ToImmutable(), IsAnyNode = isAnyNode, IsTool = isAnyNode };
    }

    private ImmutableArray<Entry> Current()
    {
        lock (_lock)
        {
            try
            {
                if (Stamp() is var stamp && stamp != _stamp)
                {
                    _entries = Read();
                    _stamp = stamp; // only now: what could not be read is tried again
                    _complaint = null;
                    Log.TokensRead(_logger, _path, _entries.Length);
                }
            }
            catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
            {
                if (e.Message != _complaint)
                    Log.TokensNotRead(_logger, e.Message);
                _complaint = e.Message;
            }

            return _entries;
        }
    }

    private (DateTime, long) Stamp()
    {
        using var handle = File.OpenHandle(_path);
        return (File.GetLastWriteTimeUtc(handle), RandomAccess.GetLength(handle));
    }

    private ImmutableArray<Entry> Read()
    {
        var mode = File.GetUnixFileMode(_path);
        if ((mode & ~(AtomicFile.Private | UnixFileMode.UserExecute)) != 0)
            Log.TokensExposed(_logger, _path, Convert.ToString((int)mode, 8));

        var entries = ImmutableArray.CreateBuilder<Entry>();
        var number = 0;
        foreach (var line in File.ReadLines(_path))
        {
            number++;
            var text = line.Trim();
            if (text.Length == 0 || text.StartsWith('#'))
                continue;

            // the line itself is not to be shown: it holds a secret
            if (text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is not [var token, var node])
                throw new InvalidDataException($"{_path}:{number}: a line is a token, a space and a node's name, or * for all nodes.");

            entries.Add(new Entry(SHA256.HashData(Encoding.UTF8.GetBytes(token)), node));
        }

        return entries.ToImmutable();
    }

    private sealed record Entry(byte[] Hash, string Node);
}
