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

    /// <summary>
    /// Threads that carry packets in each direction; queues of the interface and sockets of the port are as many. Half of the
    /// processors that the process may use (its cgroup's quota, not the machine), since each packet takes one on the way out and one
    /// on the way in.
    /// </summary>
    public int Lanes { get; init; } = LanesFor(Environment.ProcessorCount);

    /// <summary>Offloads that are not to be used, though the kernel has them.</summary>
    public Offloads Disabled { get; init; }

    /// <summary>
    /// How many peers, at most, have metric series of their own: first those that are <see cref="PeerUpdate.MeasuredFirst"/>, then the others, by name.
    /// What all do together is measured in any case.
    /// </summary>
    public int PeerSeries { get; init; } = 250;

    /// <summary>Told in a sentence what the device found out that its user may want to know; for a log. Called by several threads.</summary>
    public Action<string>? Report { get; init; }

    internal static int LanesFor(int processors) => Math.Clamp(processors / 2, 1, 8);

    internal Offloads Wanted => Offloads.All & ~Disabled;

    /// <summary>The protocol versions to speak, the default first. Not to be chosen from outside: a version comes with the code for it.</summary>
    internal ImmutableArray<ProtocolVersion> Versions { get; init; } = ProtocolVersion.Spoken;
}
