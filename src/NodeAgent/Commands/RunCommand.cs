using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using WgMesh.NodeAgent.Cni;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.Commands;

/// <summary><c>wgmesh-agent run</c>: the agent of a node.</summary>
internal static class RunCommand
{
    internal static Command Create()
    {
        var node = new Option<string>("--node")
        {
            Description = "Name of this node, as its Node object has it.",
            HelpName = "NAME",
            Required = true,
        };
        var operators = new Option<Uri[]>("--operator")
        {
            Description = "Where an operator listens, such as https://10.96.0.20:7443; may be given several times, they are tried in turn.",
            HelpName = "URL",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result => [.. result.Tokens.Select(token => Operator(token.Value, result)).OfType<Uri>()],
        };
        var ca = new Option<string>("--ca")
        {
            Description = "File with the certificates (PEM) that vouch for the operator.",
            HelpName = "FILE",
            Required = true,
        };
        var token = new Option<string>("--token-file")
        {
            Description = "File with the token that proves which node this is; read again for every call.",
            HelpName = "FILE",
            Required = true,
        };
        var state = FolderOptions.State();
        var run = FolderOptions.Run();
        var pod = FolderOptions.Pod();
        var @interface = InterfaceName.Option();
        var metrics = new Option<IPEndPoint>("--metrics-listen")
        {
            Description = "Where /metrics, /healthz and /readyz are served.",
            HelpName = "IP:PORT",
            DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 9586),
            CustomParser = Listen,
        };
        var advertise = new Option<Endpoint[]>("--advertise-endpoint")
        {
            Description = "Where other nodes reach this one, best first; may be given several times. Default: the addresses of the Node object.",
            HelpName = "IP:PORT",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
            CustomParser = Advertised,
        };

        var generation = new Option<string?>("--generation")
        {
            Description = "Whose readiness /readyz?generation=TEXT asks for, where agents replace each other: any but the agent with this TEXT answers 503.",
            HelpName = "TEXT",
        };
        var peerSeries = new Option<int>("--peer-series")
        {
            Description = "How many peers have metric series of their own at most; 0: none. What adds them up is always there.",
            HelpName = "N",
            DefaultValueFactory = _ => 250,
        };
        peerSeries.Validators.Add(result =>
        {
            if (result.Tokens is [var given] && !(int.TryParse(given.Value, out var count) && count >= 0))
            {
                result.AddError($"--peer-series: '{given.Value}' is not a number of peers; 0 or more would be right.");
            }
        });
        var cniConf = FolderOptions.CniConf(
            "Connects the node's pods: folder in which the container runtime looks for CNI configurations, as a rule /etc/cni/net.d. Default: pods are "
            + "somebody else's.",
            otherwise: null);
        var cniBin = FolderOptions.CniBin();
        var cniPlugins = FolderOptions.CniPlugins();
        var cniStore = FolderOptions.CniStore();
        var masquerade = new Option<bool>("--masquerade")
        {
            Description = "Pods reach what is not of the mesh under the node's address. It takes the program nft.",
        };
        var disableOffload = DisableOffload.Create();

        var command = new Command("run", "Runs the agent of a node until SIGTERM or SIGINT. " + DeviceCommand.AeadHelp)
        {
            node, operators, ca, token, state, run, pod, @interface, metrics, generation, peerSeries, advertise,
            cniConf, cniBin, cniPlugins, cniStore, masquerade, disableOffload,
        };
        command.SetAction((parsed, stop) => AgentProcess.RunAsync(
            new RunOptions
            {
                Node = parsed.GetRequiredValue(node),
                Operators = [.. parsed.GetRequiredValue(operators)],
                CaFile = parsed.GetRequiredValue(ca),
                TokenFile = parsed.GetRequiredValue(token),
                StateFolder = parsed.GetRequiredValue(state),
                Interface = parsed.GetRequiredValue(@interface),
                MetricsListen = parsed.GetRequiredValue(metrics),
                Generation = parsed.GetValue(generation),
                PeerSeries = parsed.GetRequiredValue(peerSeries),
                AdvertisedEndpoints = [.. parsed.GetRequiredValue(advertise)],
                Pods = new PodNetworkOptions
                {
                    ConfFolder = parsed.GetValue(cniConf),
                    BinFolder = parsed.GetRequiredValue(cniBin),
                    PluginFolder = parsed.GetRequiredValue(cniPlugins),
                    RunFolder = parsed.GetRequiredValue(run),
                    StoreFolder = parsed.GetRequiredValue(cniStore),
                    Masquerade = parsed.GetValue(masquerade),
                },
                PodFolder = parsed.GetValue(pod),
                DisabledOffloads = parsed.GetValue(disableOffload),
            },
            stop));
        return command;
    }

    // only TLS: the token would be anybody's without it
    private static Uri? Operator(string text, ArgumentResult result)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps && uri.AbsolutePath == "/" && uri.UserInfo.Length == 0)
        {
            return uri;
        }

        result.AddError($"--operator: '{text}' is not an address such as https://10.96.0.20:7443.");
        return null;
    }

    private static IPEndPoint? Listen(ArgumentResult result)
    {
        // IPEndPoint would take an address alone as port 0
        var text = result.Tokens[0].Value;
        if (text.Contains(':', StringComparison.Ordinal) && !text.EndsWith(']') && IPEndPoint.TryParse(text, out var listen))
        {
            return listen;
        }

        result.AddError($"--metrics-listen: '{text}' is not an address with a port, such as 127.0.0.1:9586.");
        return null;
    }

    private static Endpoint[] Advertised(ArgumentResult result)
    {
        var endpoints = new List<Endpoint>();
        foreach (var token in result.Tokens)
        {
            if (Endpoint.TryParse(token.Value, out var endpoint))
            {
                endpoints.Add(endpoint);
            }
            else
            {
                result.AddError($"--advertise-endpoint: '{token.Value}' is not an address with a port, such as 192.0.2.1:51820 or [2001:db8::1]:51820.");
            }
        }

        return [.. endpoints];
    }
}
