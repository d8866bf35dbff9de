using System.CommandLine;
using System.Security.Cryptography;
using WgMesh.Kubernetes;
using WgMesh.Operator.Hosting;

var command = OperatorCommand.Create(async (options, cancellationToken) =>
{
    try
    {
        await using var app = OperatorHost.Build(options);
        var parts = app.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToList();
        await app.RunAsync(cancellationToken);
        // whatever ended by itself was not meant to
        return parts.Exists(part => part.ExecuteTask is { IsFaulted: true }) ? 1 : 0;
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or CryptographicException or KubeConfigException)
    {
        await Console.Error.WriteLineAsync($"wgmesh-operator: {e.Message}");
        return 1;
    }
});
// signals are the host's: the library would give it two seconds to end
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
