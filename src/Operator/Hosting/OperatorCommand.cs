using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Hosting;

/// <summary>The command line of the operator.</summary>
internal sealed class OperatorCommand
{
    private readonly Option<DirectoryInfo> _manifests = new("--manifests")
    {
        Description = "Standalone: folder of Node, WireGuardMesh, WireGuardPeer and Secret manifests (*.yaml, *.yml, *.json); it is watched.",
        HelpName = "DIR",
    };

    private readonly Option<string?> _state = new("--state")
    {
        Description = "Standalone: folder for what the operator keeps: keys that nodes announced, addresses given, its certificates. " +
            $"{OperatorOptions.DefaultState} if left out.",
        HelpName = "DIR",
    };

    private readonly Option<FileInfo> _tokenFile = new("--token-file")
    {
        Description = "Standalone: file of lines \"TOKEN NODE\"; the node * stands for every node and for tools. " +
            "Without it, STATE/tokens, made at the first start.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _kubernetes = new("--kubernetes")
    {
        Description = "Work on a Kubernetes API: that of the cluster whose pod this is, or see --kubeconfig.",
    };

    private readonly Option<FileInfo> _kubeconfig = new("--kubeconfig")
    {
        Description = "Kubernetes: file that says where the API server is and who asks, if this is no pod.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _namespace = new("--namespace")
    {
        Description = "Kubernetes: namespace of operator and agents; the pod's, or that of the kubeconfig's context, if left out.",
        HelpName = "NAME",
    };

    private readonly Option<IPEndPoint?> _advertiseAddress = new("--advertise-address")
    {
        Description = "Kubernetes: where other replicas reach this one; if left out, the address that it reaches the API server from, " +
            "which has to be another host, and the port of --listen.",
        HelpName = "ADDRESS[:PORT]",
        CustomParser = ParseAddress,
    };

    private readonly Option<string?> _agentServiceAccount = new("--agent-service-account")
    {
        Description = $"Kubernetes: the agents' service account; {KubernetesOptions.DefaultAgentServiceAccount} if left out.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _identity = new("--identity")
    {
        Description = "Kubernetes: what this replica is called in the Lease, unlike every other; the host's name and something random if left out.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _replicaTokenFile = new("--replica-token-file")
    {
        Description = "Kubernetes: file with a token of the operator's own service account for the audience wgmesh, with which replicas know " +
            $"each other; {KubernetesOptions.DefaultReplicaTokenFile} if left out.",
        HelpName = "FILE",
    };

    private readonly Option<FileInfo> _meshSettings = new("--mesh-settings")
    {
        Description = "Kubernetes: manifest of WireGuardMesh default; fields that it names are kept as they are there, all others are left to whoever " +
            "changes them. Read at the start. Without it, the object is made with its defaults if there is none.",
        HelpName = "FILE",
    };

    private readonly Option<IPEndPoint> _listen = new("--listen")
    {
        Description = "Address and port for agents and tools (gRPC over TLS).",
        HelpName = "ADDRESS:PORT",
        CustomParser = ParseEndPoint,
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, 7443),
    };

    private readonly Option<IPEndPoint> _metricsListen = new("--metrics-listen")
    {
        Description = "Address and port for /metrics, /healthz and /readyz (plain HTTP).",
        HelpName = "ADDRESS:PORT",
        CustomParser = ParseEndPoint,
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 9585),
    };

    private readonly Option<string[]> _advertise = new("--advertise")
    {
        Description = "A DNS name or address, besides the host's own, under which agents reach the operator. May be given several times.",
        HelpName = "NAME",
        DefaultValueFactory = _ => [],
    };

    private OperatorCommand()
    {
        _manifests.AcceptExistingOnly();
        _tokenFile.AcceptExistingOnly();
        _kubeconfig.AcceptExistingOnly();
        _meshSettings.AcceptExistingOnly();
        _advertise.Validators.Add(result =>
        {
            // what Kubernetes did not expand, for one
            foreach (var token in result.Tokens.Where(token => Uri.CheckHostName(token.Value) == UriHostNameType.Unknown))
                result.AddError($"--advertise: \"{token.Value}\" is neither a DNS name nor an address.");
        });
    }

    /// <summary>The command, which runs the operator as the command line says.</summary>
    /// <param name="run">Runs it, and comes back with the exit code.</param>
    public static RootCommand Create(Func<OperatorOptions, CancellationToken, Task<int>> run)
    {
        var options = new OperatorCommand();
        var command = new RootCommand("Plans a WireGuard mesh and serves every node its part: from a folder of manifests, or on a Kubernetes API.");
        foreach (var option in options.Standalone.Concat(options.Cluster).Concat([options._listen, options._metricsListen, options._advertise]))
            command.Options.Add(option);
        command.Subcommands.Add(UninstallCommand.Create());
        command.Validators.Add(options.Validate);
        command.SetAction((parsed, cancellationToken) => run(options.Read(parsed), cancellationToken));
        return command;
    }

    private IEnumerable<Option> Standalone => [_manifests, _state, _tokenFile];

    private IEnumerable<Option> Cluster =>
        [_kubernetes, _kubeconfig, _namespace, _advertiseAddress, _agentServiceAccount, _identity, _replicaTokenFile, _meshSettings];

    private void Validate(CommandResult result)
    {
        var isStandalone = result.GetResult(_manifests) is not null;
        var isCluster = result.GetValue(_kubernetes);
        if (isStandalone == isCluster)
        {
            result.AddError(isCluster
                ? "--manifests and --kubernetes are two ways to run: give one of them."
                : "Give --manifests DIR to read the cluster from a folder, or --kubernetes to work on a Kubernetes API.");
            return;
        }

        var (strange, because) = isCluster
            ? (Standalone, "with --kubernetes there is no folder, and the API server checks the tokens")
            : (Cluster, "with --manifests there is no Kubernetes API");
        foreach (var option in strange.Where(option => result.GetResult(option) is { Implicit: false }))
            result.AddError($"{option.Name} has no meaning here: {because}.");
        if (isCluster && result.GetValue(_identity) is { } identity && (identity.Length is 0 or > 100 || identity.Any(c => c is <= ' ' or > '~')))
            result.AddError("--identity is 1 to 100 visible ASCII characters.");
    }

    private OperatorOptions Read(ParseResult parsed) => new()
    {
        Manifests = parsed.GetValue(_manifests)?.FullName,
        State = parsed.GetValue(_state) ?? OperatorOptions.DefaultState,
        TokenFile = parsed.GetValue(_tokenFile)?.FullName,
        Kubernetes = !parsed.GetValue(_kubernetes) ? null : new KubernetesOptions
        {
            KubeConfig = parsed.GetValue(_kubeconfig)?.FullName,
            Namespace = parsed.GetValue(_namespace),
            AdvertiseAddress = parsed.GetValue(_advertiseAddress),
            AgentServiceAccount = parsed.GetValue(_agentServiceAccount) ?? KubernetesOptions.DefaultAgentServiceAccount,
            Identity = parsed.GetValue(_identity),
            ReplicaTokenFile = parsed.GetValue(_replicaTokenFile) ?? KubernetesOptions.DefaultReplicaTokenFile,
            MeshSettings = parsed.GetValue(_meshSettings)?.FullName,
        },
        Listen = parsed.GetRequiredValue(_listen),
        MetricsListen = parsed.GetRequiredValue(_metricsListen),
        Advertise = parsed.GetRequiredValue(_advertise),
    };

    private static IPEndPoint? ParseEndPoint(ArgumentResult argument)
    {
        var text = argument.Tokens[0].Value;
        // the port is required: IPEndPoint would take an address alone as port 0
        if (IPEndPoint.TryParse(text, out var endPoint) && text.EndsWith($":{endPoint.Port}", StringComparison.Ordinal))
            return endPoint;

        argument.AddError($"\"{text}\" is not an address and a port, such as 0.0.0.0:7443 or [::]:7443.");
        return null;
    }

    private static IPEndPoint? ParseAddress(ArgumentResult argument)
    {
        var text = argument.Tokens[0].Value;
        if (Parsing.IsPlainAddress(text) && IsOneHost(IPAddress.Parse(text)))
            return new IPEndPoint(IPAddress.Parse(text), 0);
        if (IPEndPoint.TryParse(text, out var endPoint) && endPoint.Port != 0 && endPoint.ToString() == text && IsOneHost(endPoint.Address))
            return endPoint;

        argument.AddError($"\"{text}\" is not where others reach this replica, such as 192.0.2.1, 192.0.2.1:7443, 2001:db8::1 or [2001:db8::1]:7443.");
        return null;
    }

    private static bool IsOneHost(IPAddress address) => !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any);
}
