using System.Net;
using System.Net.NetworkInformation;

namespace WgMesh.Operator.Hosting;

/// <summary>What the command line says.</summary>
internal sealed record OperatorOptions
{
    /// <summary>The folder that is read and watched.</summary>
    public required string Manifests { get; init; }

    /// <summary>The folder that the operator keeps its state in.</summary>
    public required string State { get; init; }

    /// <summary>Where agents and tools connect.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>Where metrics and health are served.</summary>
    public required IPEndPoint MetricsListen { get; init; }

    /// <summary>Null: a file in <see cref="State"/>, made at the first start.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Names and addresses, besides the host's own, under which the operator is reached.</summary>
    public IReadOnlyList<string> Advertise { get; init; } = [];

    /// <summary>Every name and address under which the operator may be reached.</summary>
    public IEnumerable<string> Names()
    {
        yield return "localhost";
        yield return Dns.GetHostName();
        foreach (var name in Advertise)
            yield return name;

        if (!Listen.Address.Equals(IPAddress.Any) && !Listen.Address.Equals(IPAddress.IPv6Any))
            yield return Listen.Address.ToString();

        yield return IPAddress.Loopback.ToString();
        yield return IPAddress.IPv6Loopback.ToString();
        foreach (var address in NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses))
        {
            // a link-local address means nothing without its link
            if (!address.Address.IsIPv6LinkLocal)
                yield return address.Address.ToString();
        }
    }
}
