using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// Links, addresses, routes and rules of the network namespace that the opening thread was in (rtnetlink(7)). Any thread may call; every
/// method throws <see cref="LinkException"/> with the kernel's error when it refuses.
/// </summary>
public sealed class RouteNetlink : IDisposable
{
    private readonly NetlinkSocket _socket;

    private RouteNetlink(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens a conversation in the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">Out of descriptors.</exception>
    public static RouteNetlink Open() => new(NetlinkSocket.Open());

    /// <summary>All interfaces.</summary>
    public IReadOnlyList<Link> GetLinks()
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetLink, LinuxNetlink.Dump);
        writer.Append(default(LinuxRtnetlink.LinkHeader));
        writer.Attribute(LinuxRtnetlink.LinkAttribute.ExtendedMask, LinuxRtnetlink.LinkAttribute.SkipStatistics);
        return _socket.Dump<Link>("list interfaces", writer.Message, LinuxRtnetlink.NewLink, Link.TryParse);
    }

    /// <summary>An interface by name; null if there is none.</summary>
    public Link? FindLink(string name) => FindLink(name, 0);

    /// <summary>An interface by index; null if there is none.</summary>
    public Link? FindLink(int index) => FindLink(null, index);

    /// <summary>Switches an interface on or off.</summary>
    public void SetLinkUp(int index, bool up)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.NewLink, LinuxNetlink.Ack);
        writer.Append(new LinuxRtnetlink.LinkHeader { Index = index, Flags = up ? LinuxRtnetlink.LinkUp : 0, Change = LinuxRtnetlink.LinkUp });
        _socket.Execute($"switch interface {index} {(up ? "on" : "off")}", writer.Message);
    }

    /// <summary>Sets an interface's MTU in bytes.</summary>
    public void SetLinkMtu(int index, int mtu)
    {
        var writer = NewLink(stackalloc byte[NetlinkWriter.MaxLength], index);
        writer.Attribute(LinuxRtnetlink.LinkAttribute.Mtu, mtu);
        _socket.Execute($"set the MTU of interface {index} to {mtu}", writer.Message);
    }

    /// <summary>Renames an interface.</summary>
    public void RenameLink(int index, string name)
    {
        var writer = NewLink(stackalloc byte[NetlinkWriter.MaxLength], index);
        writer.Attribute(LinuxRtnetlink.LinkAttribute.Name, name);
        _socket.Execute($"rename interface {index} to {name}", writer.Message);
    }

    /// <summary>
    /// Keeps the kernel from giving an interface an IPv6 link-local address when it comes up, and with it from sending router
    /// solicitations and the like into it. Only for interfaces with IPv6 (<see cref="Link.HasAutomaticIPv6Address"/> is not null).
    /// </summary>
    public void DisableAutomaticIPv6Address(int index)
    {
        var writer = NewLink(stackalloc byte[NetlinkWriter.MaxLength], index);
        var specific = writer.Begin(LinuxRtnetlink.LinkAttribute.FamilySpecific | LinuxNetlink.Nested);
        var ipv6 = writer.Begin(SysSocket.InterNetworkV6 | LinuxNetlink.Nested);
        writer.Attribute(LinuxRtnetlink.LinkAttribute.IPv6AddressGeneration, LinuxRtnetlink.AddressGenerationNone);
        writer.End(ipv6);
        writer.End(specific);
        _socket.Execute($"switch off automatic IPv6 addresses of interface {index}", writer.Message);
    }

    /// <summary>Deletes an interface.</summary>
    public void DeleteLink(int index)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.DeleteLink, LinuxNetlink.Ack);
        writer.Append(new LinuxRtnetlink.LinkHeader { Index = index });
        _socket.Execute($"delete interface {index}", writer.Message);
    }

    /// <summary>All addresses of both families.</summary>
    public IReadOnlyList<LinkAddress> GetAddresses() => [.. GetAddresses(isIPv6: false), .. GetAddresses(isIPv6: true)];

    /// <summary>Adds an address; IPv6 ones are usable at once, without looking for duplicates.</summary>
    public void AddAddress(LinkAddress address)
    {
        var writer = NewWriter(
            stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.NewAddress, LinuxNetlink.Ack | LinuxNetlink.Create | LinuxNetlink.Exclusive);
        address.Write(ref writer);
        _socket.Execute($"add the address {address} to interface {address.LinkIndex}", writer.Message);
    }

    /// <summary>Deletes an address, and with it what IPv4 routes name it as their source.</summary>
    public void DeleteAddress(LinkAddress address)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.DeleteAddress, LinuxNetlink.Ack);
        address.Write(ref writer);
        _socket.Execute($"delete the address {address} of interface {address.LinkIndex}", writer.Message);
    }

    /// <summary>Routes of both families.</summary>
    /// <param name="table">Only this table; null for all, which includes <c>local</c>.</param>
    /// <param name="protocol">Only those made by this protocol; null for all.</param>
    public IReadOnlyList<Route> GetRoutes(uint? table = null, byte? protocol = null) =>
        [.. GetRoutes(isIPv6: false, table, protocol), .. GetRoutes(isIPv6: true, table, protocol)];

    /// <summary>
    /// The way the kernel would take to an address, after rules, tables and learnt path MTUs; null if there is none. Sends nothing.
    /// </summary>
    /// <param name="destination">The address; its port does not matter.</param>
    /// <param name="mark">Firewall mark of the packet; 0 for none.</param>
    public Route? FindRoute(Endpoint destination, uint mark = 0)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetRoute, LinuxNetlink.Ack);
        writer.Append(new LinuxRtnetlink.RouteHeader
        {
            Family = (byte)(destination.IsIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork),
            DestinationLength = (byte)(destination.IsIPv6 ? 128 : 32),
        });
        writer.Attribute(LinuxRtnetlink.RouteAttribute.Destination, destination.Address, destination.IsIPv6);
        if (mark != 0)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.Mark, mark);
        }

        if (destination.ScopeId != 0)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.OutputInterface, destination.ScopeId);
        }

        try
        {
            var route = _socket.Get<Route>(
                $"look up the route to {destination.ToIPAddress()}", writer.Message, LinuxRtnetlink.NewRoute, Route.TryParse);
            return route.Type is RouteType.Unicast or RouteType.Local ? route : null;
        }
        // no route, and what blackhole, prohibit and unreachable routes and a missing family answer
        catch (LinkException e) when (e.Errno
            is Errno.ENETUNREACH or Errno.EHOSTUNREACH or Errno.EINVAL or Errno.EACCES or Errno.EAFNOSUPPORT or Errno.EOPNOTSUPP)
        {
            return null;
        }
    }

    /// <summary>Adds a route. EEXIST: the table has one with this destination and metric, whoever made it.</summary>
    public void AddRoute(Route route) => SetRoute($"add the route {route}", route, LinuxNetlink.Create | LinuxNetlink.Exclusive);

    /// <summary>
    /// Puts a route in the place of the one with its destination and metric in its table, whoever made that, in one step; adds it if there
    /// is none.
    /// </summary>
    public void ReplaceRoute(Route route) => SetRoute($"set the route {route}", route, LinuxNetlink.Create | LinuxNetlink.Replace);

    /// <summary>Deletes a route. ESRCH: there is none like it.</summary>
    public void DeleteRoute(Route route)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.DeleteRoute, LinuxNetlink.Ack);
        route.Write(ref writer, delete: true);
        _socket.Execute($"delete the route {route}", writer.Message);
    }

    /// <summary>Rules of both families that look up a table.</summary>
    public IReadOnlyList<Rule> GetRules() => [.. GetRules(isIPv6: false), .. GetRules(isIPv6: true)];

    /// <summary>Adds a rule. EEXIST: there is one like it.</summary>
    public void AddRule(Rule rule)
    {
        var writer = NewWriter(
            stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.NewRule, LinuxNetlink.Ack | LinuxNetlink.Create | LinuxNetlink.Exclusive);
        rule.Write(ref writer);
        _socket.Execute($"add the rule {rule}", writer.Message);
    }

    /// <summary>Deletes a rule. ENOENT: there is none like it.</summary>
    public void DeleteRule(Rule rule)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.DeleteRule, LinuxNetlink.Ack);
        rule.Write(ref writer);
        _socket.Execute($"delete the rule {rule}", writer.Message);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private Link? FindLink(string? name, int index)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetLink, LinuxNetlink.Ack);
        writer.Append(new LinuxRtnetlink.LinkHeader { Index = index });
        if (name is not null)
        {
            writer.Attribute(LinuxRtnetlink.LinkAttribute.Name, name);
        }

        try
        {
            return _socket.Get<Link>(
                name is null ? $"find interface {index}" : $"find the interface {name}", writer.Message, LinuxRtnetlink.NewLink, Link.TryParse);
        }
        catch (LinkException e) when (e.Errno == Errno.ENODEV)
        {
            return null;
        }
    }

    private IEnumerable<LinkAddress> GetAddresses(bool isIPv6)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetAddress, LinuxNetlink.Dump);
        writer.Append(new LinuxRtnetlink.AddressHeader { Family = (byte)(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork) });
        // a kernel without the family answers with all there are, hence the filter
        return _socket.Dump<LinkAddress>("list addresses", writer.Message, LinuxRtnetlink.NewAddress, LinkAddress.TryParse)
            .Where(a => a.IsIPv6 == isIPv6);
    }

    private IEnumerable<Route> GetRoutes(bool isIPv6, uint? table, byte? protocol)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetRoute, LinuxNetlink.Dump);
        writer.Append(new LinuxRtnetlink.RouteHeader
        {
            Family = (byte)(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork),
            Protocol = protocol ?? 0,
        });
        if (table is { } number)
        {
            writer.Attribute(LinuxRtnetlink.RouteAttribute.Table, number);
        }

        try
        {
            // kernels without the family or the filters answer with all there are
            return _socket.Dump<Route>("list routes", writer.Message, LinuxRtnetlink.NewRoute, Route.TryParseTableEntry)
                .Where(r => r.Destination.IsIPv6 == isIPv6 && (table is null || r.Table == table) && (protocol is null || r.Protocol == protocol));
        }
        catch (LinkException e) when (e.Errno == Errno.ENOENT && table is not null)
        {
            return []; // nothing was ever put into the table
        }
    }

    private IEnumerable<Rule> GetRules(bool isIPv6)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.GetRule, LinuxNetlink.Dump);
        writer.Append(new LinuxRtnetlink.RuleHeader { Family = (byte)(isIPv6 ? SysSocket.InterNetworkV6 : SysSocket.InterNetwork) });
        return _socket.Dump<Rule>("list rules", writer.Message, LinuxRtnetlink.NewRule, Rule.TryParse).Where(r => r.IsIPv6 == isIPv6);
    }

    private void SetRoute(string operation, Route route, int flags)
    {
        var writer = NewWriter(stackalloc byte[NetlinkWriter.MaxLength], LinuxRtnetlink.NewRoute, LinuxNetlink.Ack | flags);
        route.Write(ref writer, delete: false);
        _socket.Execute(operation, writer.Message);
    }

    private static NetlinkWriter NewLink(Span<byte> buffer, int index)
    {
        var writer = NewWriter(buffer, LinuxRtnetlink.NewLink, LinuxNetlink.Ack);
        writer.Append(new LinuxRtnetlink.LinkHeader { Index = index });
        return writer;
    }

    private static NetlinkWriter NewWriter(Span<byte> buffer, ushort type, int flags) => new(buffer, type, LinuxNetlink.Request | flags);
}
