using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using System.Security.Cryptography;
using WgMesh.Operator.Hosting;
using WgMesh.Operator.Planning;

var manifests = new Option<DirectoryInfo>("--manifests")
{
    Description = "Folder of Node, WireGuardMesh, WireGuardPeer and Secret manifests (*.yaml, *.yml, *.json); it is watched.",
    HelpName = "DIR",
    Required = true,
};
manifests.AcceptExistingOnly();
var state = new Option<string>("--state")
{
    Description = "Folder for what the operator keeps: keys that nodes announced, addresses given, its certificates.",
    HelpName = "DIR",
    DefaultValueFactory = _ => "/var/lib/wgmesh/operator",
};
var listen = new Option<IPEndPoint>("--listen")
{
    Description = "Address and port for agents and tools (gRPC over TLS).",
    HelpName = "ADDRESS:PORT",
    CustomParser = ParseEndPoint,
    DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, 7443),
};
var metricsListen = new Option<IPEndPoint>("--metrics-listen")
{
    Description = "Address and port for /metrics, /healthz and /readyz (plain HTTP).",
    HelpName = "ADDRESS:PORT",
    CustomParser = ParseEndPoint,
    DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 9585),
};
var tokenFile = new Option<FileInfo>("--token-file")
{
    Description = "File of lines \"TOKEN NODE\"; the node * stands for every node and for tools. " +
        "Without it, STATE/tokens, made at the first start.",
    HelpName = "FILE",
};
tokenFile.AcceptExistingOnly();
var advertise = new Option<string[]>("--advertise")
{
    Description = "A DNS name or address, besides the host's own, under which agents reach the operator. May be given several times.",
    HelpName = "NAME",
    DefaultValueFactory = _ => [],
};

var command = new RootCommand("Plans a WireGuard mesh from manifests and serves every node its part.")
{
    manifests, state, listen, metricsListen, tokenFile, advertise,
};
command.SetAction(async (parsed, cancellationToken) =>
{
    try
    {
        await using var app = OperatorHost.Build(new OperatorOptions
        {
            Manifests = parsed.GetRequiredValue(manifests).FullName,
            State = parsed.GetRequiredValue(state),
            Listen = parsed.GetRequiredValue(listen),
            MetricsListen = parsed.GetRequiredValue(metricsListen),
            TokenFile = parsed.GetValue(tokenFile)?.FullName,
            Advertise = parsed.GetRequiredValue(advertise),
        });
        var plans = app.Services.GetRequiredService<PlanLoop>();
        await app.RunAsync(cancellationToken);
        return plans.ExecuteTask is { IsFaulted: true } ? 1 : 0;
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or CryptographicException)
    {
        await Console.Error.WriteLineAsync($"wgmesh-operator: {e.Message}");
        return 1;
    }
});
return await command.Parse(args).InvokeAsync();

static IPEndPoint? ParseEndPoint(ArgumentResult argument)
{
    var text = argument.Tokens[0].Value;
    // the port is required: IPEndPoint would take an address alone as port 0
    if (IPEndPoint.TryParse(text, out var endPoint) && text.EndsWith($":{endPoint.Port}", StringComparison.Ordinal))
        return endPoint;

    argument.AddError($"\"{text}\" is not an address and a port, such as 0.0.0.0:7443 or [::]:7443.");
    return null;
}
