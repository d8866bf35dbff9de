namespace WgMesh.Engine;

/// <summary>One of our own addresses, by which a peer reached us; <c>default</c>: not known, the kernel chooses.</summary>
/// <param name="Address">IPv4 addresses in the low 32 bits.</param>
/// <param name="InterfaceIndex">The interface that it came in by, for link-local IPv6 addresses; else 0.</param>
/// <param name="IsIPv6">The family of <paramref name="Address"/>.</param>
internal readonly record struct LocalAddress(UInt128 Address, uint InterfaceIndex, bool IsIPv6)
{
    /// <summary>False for <c>default</c>.</summary>
    public bool IsKnown => Address != 0;
}

/// <summary>
/// Where datagrams to a peer go to, and from which of our addresses: a peer behind a NAT or a firewall hears only the address that it
/// has called, so what comes in by an address is answered from there.
/// </summary>
/// <param name="Remote">The peer's end.</param>
/// <param name="Local">Our end, if it matters.</param>
internal readonly record struct UdpPath(Endpoint Remote, LocalAddress Local = default)
{
    /// <summary>To an endpoint, from the address that the kernel chooses.</summary>
    public static implicit operator UdpPath(in Endpoint remote) => new(remote);
}
