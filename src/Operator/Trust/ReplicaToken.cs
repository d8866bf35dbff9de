namespace WgMesh.Operator.Trust;

/// <summary>
/// The token that this replica proves itself with to others, in a file that is written anew as the token rotates. Whoever the API server says
/// has the same name as this token is a replica, too.
/// </summary>
internal sealed class ReplicaToken(string path)
{
    private const string ServiceAccount = "system:serviceaccount:";

    /// <summary>Where it is read from.</summary>
    public string Path { get; } = path;

    /// <summary>The token as the file has it now.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be read.</exception>
    /// <exception cref="InvalidDataException">It holds no token.</exception>
    public string Read()
    {
        var token = File.ReadAllText(Path).Trim();
        // what is no header value would come back in the exception of whoever finds out
        return token.Length > 0 && !token.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? token
            : throw new InvalidDataException($"{Path} does not hold one token (visible ASCII characters, no spaces).");
    }

    /// <summary>The user name of the operator's service account; null: there is no token that tells it.</summary>
    public string? UserName() => UserName(out _);

    /// <param name="problem">Why there is none; null: there is.</param>
    /// <inheritdoc cref="UserName()"/>
    public string? UserName(out string? problem)
    {
        try
        {
            if (TokenClaims.Read(Read())?.Subject is { } subject && subject.StartsWith(ServiceAccount, StringComparison.Ordinal))
            {
                problem = null;
                return subject;
            }

            problem = $"{Path} does not hold the token of a service account.";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            problem = e.Message;
        }

        return null;
    }
}
