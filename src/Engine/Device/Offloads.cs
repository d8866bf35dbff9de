namespace WgMesh.Engine.Device;

/// <summary>What the kernel can do for many packets at once. Each may be missing, or switched off.</summary>
[Flags]
public enum Offloads
{
    /// <summary>One packet at a time, everywhere.</summary>
    None = 0,

    /// <summary><c>tun-tso</c>: runs of TCP segments cross the TUN as one packet.</summary>
    TunTso = 1,

    /// <summary><c>tun-uso</c>: runs of UDP datagrams cross the TUN as one packet (Linux 6.2).</summary>
    TunUso = 2,

    /// <summary><c>udp-gso</c>: datagrams of one size to one peer leave in one call (UDP_SEGMENT, Linux 4.18).</summary>
    UdpGso = 4,

    /// <summary><c>udp-gro</c>: datagrams of one size from one peer arrive in one call (UDP_GRO, Linux 5.0).</summary>
    UdpGro = 8,

    /// <summary>All of them.</summary>
    All = TunTso | TunUso | UdpGso | UdpGro,
}

/// <summary>The offloads' names, as users write them.</summary>
public static class OffloadNames
{
    private static readonly (Offloads Offload, string Name)[] Names =
    [
        (Offloads.TunTso, "tun-tso"), (Offloads.TunUso, "tun-uso"), (Offloads.UdpGso, "udp-gso"), (Offloads.UdpGro, "udp-gro"),
    ];

    /// <summary>Each offload with its name.</summary>
    public static IReadOnlyList<(Offloads Offload, string Name)> All => Names;

    /// <summary>The name of one.</summary>
    public static string Of(Offloads offload) => Names.First(entry => entry.Offload == offload).Name;

    /// <summary>Parses a list such as <c>tun-tso,udp-gro</c>; the empty text is none.</summary>
    /// <param name="list">Names, separated by commas.</param>
    /// <param name="offloads">Those named.</param>
    /// <param name="unknown">The first name that is none.</param>
    public static bool TryParse(string list, out Offloads offloads, out string? unknown)
    {
        offloads = Offloads.None;
        unknown = null;
        foreach (var name in list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var known = Names.FirstOrDefault(entry => entry.Name == name).Offload;
            if (known == Offloads.None)
            {
                unknown = name;
                return false;
            }

            offloads |= known;
        }

        return true;
    }
}

/// <summary>Which offloads are in use. One that the kernel refuses at run time is switched off for good, and said so once.</summary>
internal sealed class OffloadSwitches(Action<string>? report)
{
    private readonly long[] _refusals = new long[OffloadNames.All.Count];
    private int _on;

    public Offloads On => (Offloads)Volatile.Read(ref _on);

    public bool Has(Offloads offload) => (On & offload) != 0;

    public void SwitchOn(Offloads offloads) => Interlocked.Or(ref _on, (int)offloads);

    /// <summary>How often the kernel refused a run that it then took packet by packet.</summary>
    public long Refusals(Offloads offload) => Volatile.Read(ref _refusals[Index(offload)]);

    public void CountRefusal(Offloads offload) => Interlocked.Increment(ref _refusals[Index(offload)]);

    /// <param name="offload">One of them.</param>
    /// <param name="refusal">The kernel's answer, by name.</param>
    public void SwitchOff(Offloads offload, string refusal)
    {
        var before = (Offloads)Interlocked.And(ref _on, ~(int)offload);
        if ((before & offload) != 0)
        {
            report?.Invoke($"The offload {OffloadNames.Of(offload)} is off from now on: the kernel answered {refusal} to it, and took the packets one by one.");
        }
    }

    private static int Index(Offloads offload) => System.Numerics.BitOperations.TrailingZeroCount((int)offload);
}
