using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using WgMesh.Kubernetes;
using WgMesh.Operator.Hosting;

namespace WgMesh.Operator.Trust;

/// <summary>
/// The cluster's certificate authority, in a Secret that the replicas share, and the serving certificate that each replica makes for itself and
/// keeps in memory. Agents and tools are told whom to trust by a ConfigMap. Whoever comes first makes what is missing; all look after it
/// alike, and none overwrites what it has not read. What is deleted is put back; what is broken is left, and serving goes on with what is known.
/// Thread-safe, but for <see cref="LookAfterAsync"/>.
/// </summary>
internal sealed class OperatorAuthority(
    KubernetesClient client, EventRecorder events, string space, IEnumerable<string> names, TimeProvider time, ILogger<OperatorAuthority> logger)
    : BackgroundService, ICertificateSource
{
    /// <summary>The Secret of the authorities.</summary>
    public const string SecretName = "wgmesh-operator-ca";

    /// <summary>The ConfigMap that says whom to trust.</summary>
    public const string ConfigMapName = "wgmesh-ca";

    /// <summary>Its key.</summary>
    public const string BundleKey = "ca.crt";

    private const int MostAttempts = 5;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private readonly ImmutableArray<string> _names =
        [.. names.Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal)];

    private volatile AuthoritySet? _known;
    private volatile X509Certificate2? _current;
    private string? _complaint; // told once

    /// <inheritdoc/>
    public X509Certificate2? Current => _current;

    /// <summary>The authorities that another replica's certificate may come from.</summary>
    public X509Certificate2Collection Authorities => [.. _known?.All ?? []];

    /// <summary>Reads Secret and ConfigMap, makes what is missing or due, and renews the serving certificate.</summary>
    /// <exception cref="InvalidDataException">The Secret is broken: the message says where.</exception>
    /// <exception cref="ApiException">The API server refused something.</exception>
    /// <exception cref="HttpRequestException">It cannot be reached.</exception>
    public async Task LookAfterAsync(CancellationToken cancellationToken)
    {
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    var known = _known = await KeepAsync(cancellationToken);
                    // after a long time away one step may make the next one due
                    if (known.Step(time.GetUtcNow(), known.Bundle) == known || attempt == MostAttempts)
                        return;
                }
                catch (ApiException e) when (e.StatusCode == 409 && attempt < MostAttempts)
                {
                    // another replica was quicker: what it wrote counts
                }
            }
        }
        finally
        {
            // also with what was known before: a certificate is not to end because the API server is away
            if (_known is { } known && known.Current.NotAfter > time.GetUtcNow().LocalDateTime && !IsGood(known))
                _current = MakeServing(known);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var wait = Interval;
            try
            {
                await LookAfterAsync(stoppingToken);
                if (_complaint is not null)
                    Log.CertificatesKeptAgain(logger);
                _complaint = null;
            }
            catch (Exception e) when (e is ApiException or HttpRequestException or KubeConfigException or IOException or InvalidDataException or CryptographicException
                or ArgumentException or OperationCanceledException && !stoppingToken.IsCancellationRequested)
            {
                if (e.Message != _complaint)
                    Log.CertificatesNotKept(logger, e.Message);
                _complaint = e.Message;
                wait = Retry;
            }

            await Task.Delay(wait, time, stoppingToken);
        }
    }

    private async Task<AuthoritySet> KeepAsync(CancellationToken cancellationToken)
    {
        var secret = await client.FindAsync(ResourceTypes.Secrets, SecretName, space, cancellationToken)
            ?? await CreateSecretAsync(cancellationToken);
        var found = AuthoritySet.From(secret, time.GetUtcNow());
        var map = await client.FindAsync(ResourceTypes.ConfigMaps, ConfigMapName, space, cancellationToken);
        var authorities = found.Step(time.GetUtcNow(), map?.Data.GetValueOrDefault(BundleKey) ?? "");
        if (authorities != found)
        {
            authorities.WriteTo(secret);
            secret = await client.ReplaceAsync(ResourceTypes.Secrets, secret, cancellationToken);
            Tell(secret, found, authorities);
        }

        // before anything is signed by an authority, everybody is told of it
        await PublishAsync(map, authorities, cancellationToken);
        return authorities;
    }

    private async Task<Secret> CreateSecretAsync(CancellationToken cancellationToken)
    {
        var known = _known;
        var authorities = known ?? AuthoritySet.Make(time.GetUtcNow());
        var secret = new Secret { Metadata = new ObjectMeta { Name = SecretName, Namespace = space }, Type = "Opaque" };
        authorities.WriteTo(secret);
        secret = await client.CreateAsync(ResourceTypes.Secrets, secret, cancellationToken);
        if (known is null)
        {
            Log.ClusterAuthorityMade(logger, authorities.Current.Subject, space, SecretName, authorities.Current.NotAfter);
            events.Record(secret, false, "AuthorityMade", $"The operator made the certificate authority {authorities.Current.Subject}.");
        }
        else
        {
            Log.AuthoritySecretRestored(logger, space, SecretName);
            events.Record(secret, true, "AuthorityRestored",
                "The Secret was deleted. The operator put back the certificate authorities that it knew, since agents trust these alone.");
        }

        return secret;
    }

    private async Task PublishAsync(ConfigMap? map, AuthoritySet authorities, CancellationToken cancellationToken)
    {
        var bundle = authorities.Bundle;
        if (map is null)
        {
            await client.CreateAsync(
                ResourceTypes.ConfigMaps,
                new ConfigMap { Metadata = new ObjectMeta { Name = ConfigMapName, Namespace = space }, Data = { [BundleKey] = bundle } },
                cancellationToken);
        }
        else if (map.Data.GetValueOrDefault(BundleKey) != bundle)
        {
            map.Data[BundleKey] = bundle;
            await client.ReplaceAsync(ResourceTypes.ConfigMaps, map, cancellationToken);
        }
        else
        {
            return;
        }

        Log.BundlePublished(logger, space, ConfigMapName, string.Join(", ", authorities.All.Select(authority => authority.Subject)));
    }

    private void Tell(Secret secret, AuthoritySet before, AuthoritySet after)
    {
        if (after.Next is { } next && before.Next is null)
        {
            var from = AuthoritySet.SignsFrom(next);
            Log.NextAuthorityMade(logger, next.Subject, from);
            events.Record(secret, false, "NextAuthorityMade",
                $"The certificate authority {next.Subject} signs from {from:u} on. Hosts outside the cluster need the new {BundleKey} by then.");
        }

        if (after.Current.Thumbprint != before.Current.Thumbprint)
        {
            Log.AuthorityRotated(logger, after.Current.Subject, after.PreviousUntil);
            events.Record(secret, false, "AuthorityRotated",
                $"The certificate authority {after.Current.Subject} signs now; the one before it is trusted until {after.PreviousUntil:u}.");
        }
    }

    private bool IsGood(AuthoritySet authorities)
    {
        var now = time.GetUtcNow();
        return _current is { } current && Certificates.RenewAt(current) > now && Certificates.IsSignedBy(current, authorities.Current, now);
    }

    private X509Certificate2 MakeServing(AuthoritySet authorities)
    {
        var made = Certificates.MakeServing(authorities.Current, _names, time.GetUtcNow(), AuthoritySet.ServingLifetime);
        Log.CertificateMade(logger, string.Join(", ", _names), made.NotAfter);
        return made;
    }
}
