using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary>
/// <c>linux/rtnetlink.h</c>, with what it includes: <c>linux/if_link.h</c>, <c>linux/if_addr.h</c>; and <c>linux/fib_rules.h</c>.
/// </summary>
internal static class LinuxRtnetlink
{
    // RTM_*
    internal const ushort NewLink = 16, DeleteLink = 17, GetLink = 18;
    internal const ushort NewAddress = 20, DeleteAddress = 21, GetAddress = 22;
    internal const ushort NewRoute = 24, DeleteRoute = 25, GetRoute = 26;
    internal const ushort NewRule = 32, DeleteRule = 33, GetRule = 34;

    // RTNLGRP_*
    internal const int LinkGroup = 1, IPv4AddressGroup = 5, IPv4RouteGroup = 7, IPv6AddressGroup = 9, IPv6RouteGroup = 11;
    internal const int IPv4RuleGroup = 8, IPv6RuleGroup = 19;

    /// <summary><c>struct ifinfomsg</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct LinkHeader
    {
        internal byte Family;
        private byte _padding;
        internal ushort Type;
        internal int Index;
        internal uint Flags;
        internal uint Change;
    }

    internal const uint LinkUp = 0x1, LinkLoopback = 0x8; // IFF_UP, IFF_LOOPBACK

    /// <summary>IFLA_*; the partner is IFLA_LINK.</summary>
    internal static class LinkAttribute
    {
        internal const ushort Name = 3, Mtu = 4, Partner = 5, Info = 18, FamilySpecific = 26, ExtendedMask = 29;
        internal const ushort InfoKind = 1, InfoData = 2; // IFLA_INFO_*, in Info
        internal const ushort TunQueues = 8, TunDisabledQueues = 9; // IFLA_TUN_NUM_QUEUES, IFLA_TUN_NUM_DISABLED_QUEUES, in InfoData
        internal const ushort IPv6AddressGeneration = 8; // IFLA_INET6_ADDR_GEN_MODE, in FamilySpecific / AF_INET6
        internal const uint SkipStatistics = 8; // RTEXT_FILTER_SKIP_STATS, in ExtendedMask
    }

    internal const byte AddressGenerationNone = 1; // IN6_ADDR_GEN_MODE_NONE

    /// <summary><c>struct ifaddrmsg</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct AddressHeader
    {
        internal byte Family;
        internal byte PrefixLength;
        internal byte Flags;
        internal byte Scope;
        internal int Index;
    }

    /// <summary>IFA_*.</summary>
    internal static class AddressAttribute
    {
        internal const ushort Address = 1, Local = 2, Flags = 8;
    }

    internal const uint NoDuplicateDetection = 0x02, NoPrefixRoute = 0x200; // IFA_F_NODAD, IFA_F_NOPREFIXROUTE

    /// <summary><c>struct rtmsg</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct RouteHeader
    {
        internal byte Family;
        internal byte DestinationLength;
        internal byte SourceLength;
        internal byte TypeOfService;
        internal byte Table;
        internal byte Protocol;
        internal byte Scope;
        internal byte Type;
        internal uint Flags;
    }

    internal const uint ClonedRoute = 0x200; // RTM_F_CLONED
    internal const byte ScopeUniverse = 0, ScopeLink = 253, ScopeNowhere = 255; // RT_SCOPE_*

    /// <summary>RTA_*.</summary>
    internal static class RouteAttribute
    {
        internal const ushort Destination = 1, OutputInterface = 4, Gateway = 5, Priority = 6, PreferredSource = 7;
        internal const ushort Metrics = 8, Multipath = 9, Table = 15, Mark = 16;
        internal const ushort MetricMtu = 2; // RTAX_MTU, in Metrics
    }

    /// <summary><c>struct rtnexthop</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NextHop
    {
        internal ushort Length;
        internal byte Flags;
        internal byte Hops;
        internal int Index;
    }

    /// <summary><c>struct fib_rule_hdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct RuleHeader
    {
        internal byte Family;
        internal byte DestinationLength;
        internal byte SourceLength;
        internal byte TypeOfService;
        internal byte Table;
        private byte _reserved1;
        private byte _reserved2;
        internal byte Action;
        internal uint Flags;
    }

    internal const byte ToTable = 1; // FR_ACT_TO_TBL
    internal const uint Invert = 2; // FIB_RULE_INVERT

    /// <summary>FRA_*.</summary>
    internal static class RuleAttribute
    {
        internal const ushort Destination = 1, Source = 2, InputInterface = 3, Priority = 6, Mark = 10;
        internal const ushort SuppressPrefixLength = 14, Table = 15, MarkMask = 16, Protocol = 21;
    }
}
