namespace WgMesh.Engine.Linux;

/// <summary>What a TUN's reader and writer do in the kernel's place (TUN_F_*), so that several packets cross it as one.</summary>
[Flags]
public enum TunOffloads
{
    /// <summary>Each packet comes alone and whole.</summary>
    None = 0,

    /// <summary>Packets come without their TCP or UDP checksum; the others take this one.</summary>
    Checksum = 0x01,

    /// <summary>TCP over IPv4 comes in super-packets.</summary>
    Tso4 = 0x02,

    /// <summary>TCP over IPv6 comes in super-packets.</summary>
    Tso6 = 0x04,

    /// <summary>UDP over IPv4 comes in super-packets; only together with <see cref="Uso6"/> (Linux 6.2).</summary>
    Uso4 = 0x20,

    /// <summary>UDP over IPv6 comes in super-packets; only together with <see cref="Uso4"/> (Linux 6.2).</summary>
    Uso6 = 0x40,
}
