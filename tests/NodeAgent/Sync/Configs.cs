using Google.Protobuf;
using WgMesh.Engine;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Tests.Sync;

/// <summary>Configurations of a small mesh: nodes a, b, c, … with 10.244.N.0/24 and 10.90.0.N each; this node is a.</summary>
internal static class Configs
{
    internal static readonly SecretKey OwnPrivateKey = new(Enumerable.Repeat((byte)0x11, 32).ToArray());

    /// <summary>A key of its own for every name.</summary>
    internal static PublicKey Key(string name)
    {
        var bytes = new byte[32];
        System.Text.Encoding.ASCII.GetBytes(name).CopyTo(bytes, 0);
        bytes[31] = 1;
        return new PublicKey(bytes);
    }

    internal static NodeConfig Config(ulong revision, params PeerConfig[] peers) => new()
    {
        Revision = revision,
        Settings = new NodeSettings
        {
            Node = "a",
            Addresses = { "10.90.0.1/32", "fd90::1/128" },
            PodCidrs = { "10.244.1.0/24" },
            MeshCidrs = { "10.244.0.0/16", "10.90.0.0/24" },
            ServiceCidrs = { "10.96.0.0/16" },
            ListenPort = 51820,
        },
        Peers = { peers },
    };

    /// <summary>The peer of another node.</summary>
    internal static PeerConfig Node(string name)
    {
        var number = name[0] - 'a' + 1;
        return new PeerConfig
        {
            Name = name,
            Kind = PeerKind.Node,
            PublicKey = ByteString.CopyFrom(Key(name).ToArray()),
            Endpoint = $"192.0.2.{number}:51820",
            AllowedIps = { $"10.244.{number}.0/24", $"10.90.0.{number}/32" },
            PersistentKeepalive = 25,
            ProtocolVersion = 1,
        };
    }

    /// <summary>A device outside of the cluster.</summary>
    internal static PeerConfig External(string name, string endpoint, params string[] allowedIps) => new()
    {
        Name = name,
        Kind = PeerKind.External,
        PublicKey = ByteString.CopyFrom(Key(name).ToArray()),
        Endpoint = endpoint,
        AllowedIps = { allowedIps },
        ProtocolVersion = 1,
    };

    internal static T With<T>(this T message, Action<T> change)
        where T : class, IDeepCloneable<T>
    {
        var copy = message.Clone();
        change(copy);
        return copy;
    }
}
