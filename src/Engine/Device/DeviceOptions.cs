using System.Collections.Immutable;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>How to open a device.</summary>
public sealed record DeviceOptions
{
    /// <summary>Name of the interface, 1-15 bytes; an existing persistent TUN of that name is taken up.</summary>
    public required string Name { get; init; }

    /// <summary>UDP port to start with; 0 picks one at random.</summary>
    public ushort ListenPort { get; init; }

    /// <summary>The protocol versions to speak, the default first. Not to be chosen from outside: a version comes with the code for it.</summary>
    internal ImmutableArray<ProtocolVersion> Versions { get; init; } = ProtocolVersion.Spoken;
}
