using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
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
        var state = new Option<string>("--state-dir")
        {
            Description = "Folder for the private key and the last good configuration.",
            HelpName = "DIR",
            DefaultValueFactory = _ => "/var/lib/wgmesh/agent",
        };
        var @interface = new Option<string>("--interface")
        {
            Description = "Name of the tunnel interface.",
            HelpName = "NAME",
            DefaultValueFactory = _ => InterfaceName.Default,
        };
        @interface.Validators.Add(InterfaceName.Validate);
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

        var disableOffload = DisableOffload.Create();

        var command = new Command("run", "Runs the agent of a node until SIGTERM or SIGINT.")
        {
            node, operators, ca, token, state, @interface, metrics, advertise, disableOffload,
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
                AdvertisedEndpoints = [.. parsed.GetRequiredValue(advertise)],
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
