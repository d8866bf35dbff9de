namespace WgMesh.Engine.Linux.Netlink;

/// <summary>What <see cref="LinkMonitor"/> saw.</summary>
public abstract record LinkEvent
{
    private LinkEvent()
    {
    }

    /// <summary>An interface is new or changed: name, MTU, up or down.</summary>
    /// <param name="Link">As it is now.</param>
    public sealed record LinkChanged(Link Link) : LinkEvent;

    /// <summary>An interface is gone: deleted, or moved to another namespace.</summary>
    /// <param name="Link">As it was.</param>
    public sealed record LinkGone(Link Link) : LinkEvent;

    /// <summary>An address was added or changed.</summary>
    /// <param name="Address">As it is now.</param>
    public sealed record AddressChanged(LinkAddress Address) : LinkEvent;

    /// <summary>An address is gone.</summary>
    /// <param name="Address">As it was.</param>
    public sealed record AddressGone(LinkAddress Address) : LinkEvent;

    /// <summary>A route was added or replaced.</summary>
    /// <param name="Route">As it is now.</param>
    public sealed record RouteChanged(Route Route) : LinkEvent;

    /// <summary>A route is gone. IPv4 routes that fall with their interface or address are not always reported one by one.</summary>
    /// <param name="Route">As it was.</param>
    public sealed record RouteGone(Route Route) : LinkEvent;

    /// <summary>Events came faster than they were read and some are lost: read everything anew.</summary>
    public sealed record Resync : LinkEvent
    {
        /// <summary>The one there is.</summary>
        public static Resync Instance { get; } = new();

        private Resync()
        {
        }
    }
}
