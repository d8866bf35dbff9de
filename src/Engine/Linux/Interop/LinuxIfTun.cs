namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>linux/if_tun.h</c>.</summary>
internal static class LinuxIfTun
{
    internal const ushort Tun = 0x0001, MultiQueue = 0x0100, NoPacketInfo = 0x1000, VnetHeader = 0x4000; // IFF_*

    internal const nuint SetInterface = 0x400454ca; // TUNSETIFF
    internal const nuint SetPersist = 0x400454cb; // TUNSETPERSIST
    internal const nuint SetOwner = 0x400454cc; // TUNSETOWNER
    internal const nuint SetOffload = 0x400454d0; // TUNSETOFFLOAD
    internal const nuint GetInterface = 0x800454d2; // TUNGETIFF
    internal const nuint SetVnetHeaderSize = 0x400454d8; // TUNSETVNETHDRSZ
    internal const nuint GetDeviceNamespace = 0x54e3; // TUNGETDEVNETNS
}
