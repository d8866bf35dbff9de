using WgMesh.Operator.Distribution;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Hosting;

/// <summary>What the operator is made of without Kubernetes: a folder of manifests, a folder of its own, a file of tokens.</summary>
internal static class StandaloneServices
{
    public static void Add(IServiceCollection services, OperatorOptions options, string manifests)
    {
        services.AddSingleton(_ => new StateFolder(options.State));
        services.AddSingleton(provider => new ManifestFolder(
            manifests,
            provider.GetRequiredService<StateFolder>().LastGoodPath,
            provider.GetRequiredService<ILogger<ManifestFolder>>()));
        services.AddSingleton<StandaloneCluster>();
        services.AddSingleton<ICluster>(provider => provider.GetRequiredService<StandaloneCluster>());
        services.AddSingleton(provider =>
        {
            provider.GetRequiredService<StateFolder>(); // makes the folder
            var path = options.TokenFile ?? Path.Combine(options.State, "tokens");
            if (options.TokenFile is null)
                TokenFile.CreateIfMissing(path);
            return new TokenFile(path, provider.GetRequiredService<ILogger<TokenFile>>());
        });
        services.AddSingleton<IAuthenticator>(provider => provider.GetRequiredService<TokenFile>());
        services.AddSingleton(provider =>
        {
            provider.GetRequiredService<StateFolder>();
            return new ServingCertificate(
                options.State,
                options.Names(),
                provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILogger<ServingCertificate>>());
        });
        services.AddSingleton<ICertificateSource>(provider => provider.GetRequiredService<ServingCertificate>());
        services.AddHostedService<CertificateRenewal>();
        services.AddSingleton(Leader.Alone());
    }
}
