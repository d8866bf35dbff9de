using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Kubernetes;

/// <summary>What proves who asks, at one moment. A class, so that it has no text that would show the token.</summary>
internal sealed class Credential(string? token, X509Certificate2? certificate = null, X509Certificate2Collection? intermediates = null)
{
    public string? Token { get; } = token;

    public X509Certificate2? Certificate { get; } = certificate;

    public X509Certificate2Collection Intermediates { get; } = intermediates ?? [];
}

/// <summary>Where credentials come from. Thread-safe.</summary>
internal abstract class Credentials
{
    /// <summary>Those in force now.</summary>
    /// <exception cref="KubeConfigException">They cannot be had.</exception>
    public abstract ValueTask<Credential> GetAsync(CancellationToken cancellationToken);

    /// <summary>The server did not take <paramref name="refused"/> (401). Others to try, or the same: there are none.</summary>
    public abstract ValueTask<Credential> RenewAsync(Credential refused, CancellationToken cancellationToken);

    public static Credentials From(KubernetesClientConfiguration configuration, TimeProvider time)
    {
        if (configuration.TokenFile is { } path)
            return new TokenFileCredentials(path, configuration, time);
        return configuration.Exec is { } plugin && configuration.AccessToken is null
            ? new ExecCredentials(plugin, configuration, time)
            : new FixedCredentials(configuration);
    }
}

/// <summary>Credentials that stay as they are.</summary>
internal sealed class FixedCredentials(KubernetesClientConfiguration configuration) : Credentials
{
    private readonly Credential _credential =
        new(configuration.AccessToken, configuration.ClientCertificate, configuration.ClientCertificateIntermediates);

    public override ValueTask<Credential> GetAsync(CancellationToken cancellationToken) => new(_credential);

    public override ValueTask<Credential> RenewAsync(Credential refused, CancellationToken cancellationToken) => new(refused);
}

/// <summary>A token in a file that the kubelet or somebody else renews.</summary>
internal sealed class TokenFileCredentials(string path, KubernetesClientConfiguration configuration, TimeProvider time) : Credentials
{
    /// <summary>The kubelet renews a token when a fifth of its life is left, so two minutes before its end at least.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private Credential? _credential;
    private long _readAt;

    public override ValueTask<Credential> GetAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(_credential is not null && time.GetElapsedTime(_readAt) < MaxAge ? _credential : Reread());
        }
    }

    public override ValueTask<Credential> RenewAsync(Credential refused, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(ReferenceEquals(_credential, refused) ? Reread() : _credential!);
        }
    }

    /// <exception cref="KubeConfigException">There is no token in the file.</exception>
    public static string Read(string path)
    {
        var token = Pem.ReadText(path).Trim();
        if (token.Length == 0)
            throw new KubeConfigException($"{path} is empty; it must hold a token.");
        return token.All(c => c is > ' ' and < '\x7f') ? token : throw new KubeConfigException($"{path} holds something that is not a token.");
    }

    private Credential Reread()
    {
        try
        {
            var token = Read(path);
            if (_credential?.Token != token)
                _credential = new(token, configuration.ClientCertificate, configuration.ClientCertificateIntermediates);
        }
        catch (KubeConfigException) when (_credential is not null)
        {
            // whoever renews it may be at it now; what was read before is good for a while yet
        }

        _readAt = time.GetTimestamp();
        return _credential;
    }
}
