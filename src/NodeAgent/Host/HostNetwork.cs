using System.Collections.Immutable;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Linux.Netlink;
using Route = WgMesh.Engine.Linux.Netlink.Route; // not ASP.NET's

namespace WgMesh.NodeAgent.Host;

/// <summary>
/// Makes the host's network what it is to be, and touches nothing that is not WgMesh's: its TUN, and routes with
/// <see cref="Route.WgMeshProtocol"/>. What is right already is left alone. One caller at a time.
/// </summary>
/// <param name="netlink">Opened in the host's network namespace.</param>
internal sealed class HostNetwork(RouteNetlink netlink)
{
    // A step may undo another: the last IPv4 address takes the interface's IPv4 routes with it. The second round puts them back; more is
    // somebody else's doing.
    private const int Rounds = 3;

    /// <summary>
    /// Carries out what differs. One fault does not keep the other steps from being taken; blackholes are in force even without an
    /// interface.
    /// </summary>
    /// <returns>What could not be done, one sentence each; empty when all is as desired.</returns>
    /// <exception cref="ArgumentException">As <see cref="HostPlan.Compute"/> has it; nothing was changed.</exception>
    internal ImmutableArray<string> Apply(HostState desired)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var actual = Read(desired.Interface);
            if (WhyNotOurs(actual, desired.Interface) is { } foreign)
            {
                return [.. Execute(HostPlan.Compute(desired, actual with { Link = null })), foreign];
            }

            var operations = HostPlan.Compute(desired, actual);
            if (operations.IsEmpty)
            {
                return [];
            }

            var faults = Execute(operations);
            if (!faults.IsEmpty)
            {
                return faults;
            }
        }

        return Plan(desired) is { IsEmpty: false } left
            ? [$"somebody undoes what is done to {desired.Interface}: {string.Join(", ", left)}"]
            : [];
    }

    /// <summary>What <see cref="Apply"/> would do first.</summary>
    internal ImmutableArray<HostOperation> Plan(HostState desired) => HostPlan.Compute(desired, Read(desired.Interface));

    /// <summary>Removes everything of ours: the interface, its addresses, all routes with our protocol number.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal ImmutableArray<string> Reset(string name)
    {
        var actual = Read(name);
        return Execute(HostPlan.ComputeReset(actual.Link?.Kind == "tun" ? actual : actual with { Link = null }));
    }

    private HostActual Read(string name)
    {
        var link = netlink.FindLink(name);
        return new HostActual(
            link,
            link is null ? [] : [.. netlink.GetAddresses().Where(a => a.LinkIndex == link.Index && !a.IsLinkLocal)],
            [.. netlink.GetRoutes(protocol: Route.WgMeshProtocol)]);
    }

    private static string? WhyNotOurs(HostActual actual, string name) => actual.Link switch
    {
        null => $"interface {name} does not exist",
        { Kind: not "tun" } => $"interface {name} is not a TUN, so it is not WgMesh's and is left as it is",
        _ => null,
    };

    private ImmutableArray<string> Execute(ImmutableArray<HostOperation> operations)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        foreach (var operation in operations)
        {
            try
            {
                Execute(operation);
            }
            catch (LinkException e) when (IsDone(operation, e.Errno))
            {
            }
            catch (LinkException e) when (operation is HostOperation.AddRoute && e.Errno == Errno.EEXIST)
            {
                faults.Add($"{e.Message}: somebody else's route has this destination and metric and is left as it is");
            }
            catch (LinkException e)
            {
                faults.Add(e.Message);
            }
        }

        return faults.ToImmutable();
    }

    private void Execute(HostOperation operation)
    {
        switch (operation)
        {
            case HostOperation.AddRoute(var route):
                netlink.AddRoute(route);
                break;
            case HostOperation.ReplaceRoute(var route):
                netlink.ReplaceRoute(route);
                break;
            case HostOperation.DeleteRoute(var route):
                netlink.DeleteRoute(route);
                break;
            case HostOperation.DisableAutomaticIPv6Address(var index):
                netlink.DisableAutomaticIPv6Address(index);
                break;
            case HostOperation.SetMtu(var index, var mtu):
                netlink.SetLinkMtu(index, mtu);
                break;
            case HostOperation.SetUp(var index):
                netlink.SetLinkUp(index, true);
                break;
            case HostOperation.AddAddress(var address):
                netlink.AddAddress(address);
                break;
            case HostOperation.DeleteAddress(var address):
                netlink.DeleteAddress(address);
                break;
            case HostOperation.DeleteLink(var index):
                netlink.DeleteLink(index);
                break;
            default:
                throw new InvalidOperationException($"unknown operation {operation}");
        }
    }

    // what was to go had gone by itself, between reading and now or with another step
    private static bool IsDone(HostOperation operation, int errno) => operation switch
    {
        HostOperation.DeleteRoute => errno is Errno.ESRCH or Errno.ENODEV,
        HostOperation.DeleteAddress => errno is Errno.EADDRNOTAVAIL or Errno.ENODEV,
        HostOperation.DeleteLink => errno == Errno.ENODEV,
        HostOperation.AddAddress => errno == Errno.EEXIST,
        _ => false,
    };
}
