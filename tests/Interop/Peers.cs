namespace WgMesh.Interop.Tests;

/// <summary>An implementation of WireGuard: where hosts that run it come from, and the wires that they can be plugged into.</summary>
public abstract class Peers : IDisposable
{
    internal abstract Wire Wire { get; }

    internal abstract WireGuardHost Start(Lan lan, int number);

    /// <summary>A fault of theirs: the first packets to an IPv6 endpoint after some to an IPv4 one go elsewhere.</summary>
    internal virtual bool TruncatesAddresses => false;

    /// <summary>A fault of theirs: several packets in one system call, of which each is longer than the path takes, are lost again and again.</summary>
    internal virtual bool LosesRunsOnShortPaths => false;

    /// <summary>
    /// A fault of theirs: where they divide a run of UDP and a datagram's checksum comes to 0, they leave it so, which over IPv6 means that it is to be
    /// dropped (RFC 8200, section 8.1). That is one in 65,536; so many of a few thousand may be missing.
    /// </summary>
    internal virtual int MissingOverIPv6 => 0;

    public abstract void Dispose();
}

/// <summary>Our own.</summary>
public sealed class WgMeshPeers : Peers
{
    internal override Wire Wire { get; } = new();

    internal override WireGuardHost Start(Lan lan, int number) => NamespaceHost.StartWgMesh(lan, number);

    public override void Dispose() => Wire.Dispose();
}

/// <summary>wireguard-go.</summary>
public sealed class WireGuardGoPeers : Peers
{
    internal override Wire Wire { get; } = new();

    internal override bool TruncatesAddresses => true;

    internal override bool LosesRunsOnShortPaths => true;

    internal override int MissingOverIPv6 => 5;

    internal override WireGuardHost Start(Lan lan, int number) => NamespaceHost.StartWireGuardGo(lan, number);

    public override void Dispose() => Wire.Dispose();
}

/// <summary>The Linux kernel.</summary>
public sealed class KernelPeers : Peers
{
    private readonly KernelGuest _guest = KernelGuest.Rent();

    internal override Wire Wire => _guest.Wire;

    internal override WireGuardHost Start(Lan lan, int number) => new KernelHost(_guest, lan, number);

    public override void Dispose() => KernelGuest.Return();
}

/// <summary>The Linux kernel of a machine that no other test uses, so that it can be brought to its knees.</summary>
public sealed class LonelyKernelPeers : Peers
{
    private readonly KernelGuest _guest = new();

    internal override Wire Wire => _guest.Wire;

    internal override WireGuardHost Start(Lan lan, int number) => new KernelHost(_guest, lan, number);

    public override void Dispose() => _guest.Dispose();
}
