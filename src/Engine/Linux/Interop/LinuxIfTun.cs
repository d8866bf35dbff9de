namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>linux/if_tun.h</c>.</summary>
internal static class LinuxIfTun
{
    internal const ushort Tun = 0x0001, Tap = 0x0002, NoPacketInfo = 0x1000, VnetHeader = 0x4000; // IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR

    internal const nuint SetInterface = 0x400454ca; // TUNSETIFF
    internal const nuint SetPersist = 0x400454cb; // TUNSETPERSIST
    internal const nuint GetInterface = 0x800454d2; // TUNGETIFF
    internal const nuint GetDeviceNamespace = 0x54e3; // TUNGETDEVNETNS
}
