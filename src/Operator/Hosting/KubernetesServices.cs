using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Hosting;

/// <summary>What the operator is made of on a Kubernetes API: informers, token reviews, a Secret of authorities, a Lease.</summary>
internal static class KubernetesServices
{
    private const string Component = "wgmesh-operator";

    /// <exception cref="KubeConfigException">Where the API server is, or who asks it, cannot be found out.</exception>
    /// <exception cref="InvalidDataException">An option does not hold.</exception>
    public static void Add(IServiceCollection services, OperatorOptions options, KubernetesOptions kubernetes)
    {
        var configuration = Configuration(kubernetes.KubeConfig);
        var space = kubernetes.Namespace ?? configuration.Namespace;
        var address = AddressOf(options, kubernetes, configuration.Host);
        var name = kubernetes.Identity ?? $"{Dns.GetHostName()}-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";
        AddCluster(services, configuration, space, name);
        AddTrust(services, kubernetes, space, [.. options.Names(), address.Address.ToString(), .. ServiceNames(space)]);
        AddElection(services, space, name, address, kubernetes.MeshSettings is { } settings ? MeshSettingsFile.Read(settings) : null);
    }

    private static void AddCluster(IServiceCollection services, KubernetesClientConfiguration configuration, string space, string name)
    {
        services.AddSingleton(provider => new KubernetesClient(configuration, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new EventRecorder(
            provider.GetRequiredService<KubernetesClient>(), Component, name, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<EventRecorder>>()));
        services.AddHostedService<EventService>();
        services.AddSingleton(provider => new KubernetesCluster(
            provider.GetRequiredService<KubernetesClient>(), space, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<KubernetesCluster>>()));
        services.AddSingleton<ICluster>(provider =>
        {
            var cluster = provider.GetRequiredService<KubernetesCluster>();
            provider.GetRequiredService<OperatorMetrics>().Follow(cluster, provider.GetRequiredService<EventRecorder>());
            return cluster;
        });
    }

    private static void AddTrust(IServiceCollection services, KubernetesOptions kubernetes, string space, string[] names)
    {
        var token = new ReplicaToken(kubernetes.ReplicaTokenFile);
        services.AddSingleton<IAuthenticator>(provider =>
        {
            var time = provider.GetRequiredService<TimeProvider>();
            var lookup = new CallerLookup(
                provider.GetRequiredService<KubernetesClient>(), space, kubernetes.AgentServiceAccount, token, time);
            var logger = provider.GetRequiredService<ILogger<TokenReviewer>>();
            if (token.UserName(out var problem) is not { } account)
                Log.NoReplicaToken(logger, problem!);
            else if (account == lookup.AgentAccount)
                Log.AccountShared(logger, account);
            return new TokenReviewer(lookup.FindAsync, provider.GetRequiredService<OperatorMetrics>(), time, logger);
        });
        services.AddSingleton(provider => new OperatorAuthority(
            provider.GetRequiredService<KubernetesClient>(), provider.GetRequiredService<EventRecorder>(), space, names,
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<OperatorAuthority>>()));
        services.AddSingleton<ICertificateSource>(provider => provider.GetRequiredService<OperatorAuthority>());
        services.AddHostedService(provider => provider.GetRequiredService<OperatorAuthority>());
        services.AddSingleton(provider => new ReplicaCredentials(() => provider.GetRequiredService<OperatorAuthority>().Authorities, token.Read));
    }

    private static void AddElection(IServiceCollection services, string space, string name, IPEndPoint address, JsonObject? settings)
    {
        var identity = $"{name}_{address}";
        services.AddSingleton(Leader.Elected());
        services.AddSingleton(provider => new LeaderElector(
            provider.GetRequiredService<KubernetesClient>(),
            new LeaderElectionOptions { Namespace = space, Name = Component, Identity = identity },
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<LeaderElector>>()));
        services.AddSingleton(provider => new Reconciler(
            provider.GetRequiredService<KubernetesClient>(), provider.GetRequiredService<KubernetesCluster>(),
            provider.GetRequiredService<PlanLoop>().Published, provider.GetRequiredService<AgentRegistry>(),
            provider.GetRequiredService<EventRecorder>(), provider.GetRequiredService<OperatorMetrics>(),
            () => provider.GetRequiredService<LeaderElector>().IsLeader, space,
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Reconciler>>(), settings));
        services.AddSingleton(provider =>
        {
            if (IPAddress.IsLoopback(address.Address))
                Log.AdvertisesLoopback(provider.GetRequiredService<ILogger<ElectionService>>(), address);
            return new ElectionService(
                provider.GetRequiredService<LeaderElector>(), identity, provider.GetRequiredService<Reconciler>().RunAsync,
                provider.GetRequiredService<Leader>());
        });
        services.AddHostedService(provider => provider.GetRequiredService<ElectionService>());
        services.AddHostedService(provider => ActivatorUtilities.CreateInstance<ReplicaLink>(provider, identity));
    }

    /// <summary>The names of the Service that agents and tools find the operator by.</summary>
    private static IEnumerable<string> ServiceNames(string space)
    {
        yield return Component;
        yield return $"{Component}.{space}";
        yield return $"{Component}.{space}.svc";
        // on a cluster that is just coming up nobody resolves names
        if (Environment.GetEnvironmentVariable("WGMESH_OPERATOR_SERVICE_HOST") is { Length: > 0 } address)
            yield return address;
    }

    /// <summary>Where the API server is, and who asks.</summary>
    /// <param name="path">A kubeconfig file; null: this is a pod.</param>
    /// <exception cref="KubeConfigException">That cannot be found out.</exception>
    internal static KubernetesClientConfiguration Configuration(string? path)
    {
        if (path is not null)
            return KubernetesClientConfiguration.FromKubeConfig(path);
        try
        {
            return KubernetesClientConfiguration.InClusterConfig();
        }
        catch (KubeConfigException e)
        {
            throw new KubeConfigException($"{e.Message} Give --kubeconfig FILE.", e);
        }
    }

    /// <summary>Where other replicas reach this one.</summary>
    /// <exception cref="InvalidDataException">That is not said, and cannot be found out.</exception>
    internal static IPEndPoint AddressOf(OperatorOptions options, KubernetesOptions kubernetes, Uri apiServer)
    {
        var port = kubernetes.AdvertiseAddress is { Port: > 0 } advertised ? advertised.Port : options.Listen.Port;
        if (port == 0)
            throw new InvalidDataException("--listen says port 0, any that is free, and other replicas have to be told which: give --listen or --advertise-address a port.");
        if (kubernetes.AdvertiseAddress is { } address)
            return new IPEndPoint(address.Address, port);
        if (!options.Listen.Address.Equals(IPAddress.Any) && !options.Listen.Address.Equals(IPAddress.IPv6Any))
            return new IPEndPoint(options.Listen.Address, port);

        var towards = AddressTowards(apiServer);
        return !IPAddress.IsLoopback(towards)
            ? new IPEndPoint(towards, port)
            : throw new InvalidDataException(
                $"Where other replicas reach this one cannot be found out, for the API server {apiServer.Authority} is on this host: give --advertise-address.");
    }

    /// <summary>This host's address on the way to the API server, which is where other replicas are.</summary>
    private static IPAddress AddressTowards(Uri apiServer)
    {
        try
        {
            using var socket = new Socket(SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(apiServer.DnsSafeHost, apiServer.Port); // sends nothing
            var address = ((IPEndPoint)socket.LocalEndPoint!).Address;
            return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        }
        catch (SocketException e)
        {
            throw new InvalidDataException(
                $"Where other replicas reach this one cannot be found out, for there is no way to the API server {apiServer.Authority} yet "
                + $"({e.Message}): give --advertise-address.", e);
        }
    }
}
