using WgMesh.Tests.Shared;

namespace WgMesh.Interop.Tests;

/// <summary>A bridge in a network namespace of its own, into which hosts are plugged. Several networks may share it without hearing of each other.</summary>
internal sealed class Wire : IDisposable
{
    private const string Bridge = "br0";

    private static int _ports;

    public Wire()
    {
        Namespace = new NetNamespace();
        try
        {
            Namespace.Ip($"link add {Bridge} type bridge");
            Namespace.Ip($"link set {Bridge} up");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public NetNamespace Namespace { get; }

    /// <summary>Gives a namespace an interface on this wire.</summary>
    public void Plug(NetNamespace host, string name)
    {
        var port = $"p{Interlocked.Increment(ref _ports)}";
        Namespace.Ip($"link add {port} mtu 65535 type veth peer name {name} netns {host.Name}");
        Namespace.Ip($"link set {port} master {Bridge} up");
        host.Ip($"link set {name} up");
    }

    /// <summary>Puts an interface that is in the wire's namespace already on the bridge.</summary>
    public void Plug(string name) => Namespace.Ip($"link set {name} master {Bridge} up");

    public void Dispose() => Namespace.Dispose();
}

/// <summary>A network with addresses of both families on a wire.</summary>
internal sealed class Lan(Wire wire)
{
    private static int _count;

    private readonly int _subnet = Interlocked.Increment(ref _count);

    public Wire Wire => wire;

    /// <summary>Of the host with this number, 1-254.</summary>
    public string Address(int host, bool ipv6) => ipv6 ? $"2001:db8:{_subnet:x}::{host:x}" : $"10.{100 + (_subnet >> 8)}.{_subnet & 255}.{host}";

    /// <summary>The same with the length of the network's prefix.</summary>
    public string Prefix(int host, bool ipv6) => $"{Address(host, ipv6)}/{(ipv6 ? 64 : 24)}";
}
