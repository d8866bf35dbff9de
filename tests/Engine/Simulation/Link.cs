using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>Another node, as this one is configured to have it for a peer.</summary>
internal sealed class Link(Node other)
{
    public Node Other { get; } = other;

    /// <summary>The key it is known by, perhaps no longer its own.</summary>
    public PublicKey Key { get; set; } = other.PublicKey;

    /// <summary>Whether it is a peer.</summary>
    public bool IsConfigured { get; set; } = true;

    public SecretKey? PresharedKey { get; set; }

    public ushort PersistentKeepalive { get; set; }

    public ProtocolVersion Version { get; set; } = ProtocolVersion.One;

    /// <summary>The engine's.</summary>
    public Peer? Peer { get; set; }
}
