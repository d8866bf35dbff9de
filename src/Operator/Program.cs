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
return await command.Parse(args).InvokeAsync();
