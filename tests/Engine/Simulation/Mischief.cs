using WgMesh.Engine.Protocol;
using WgMesh.Engine.Routing;
using WgMesh.Engine.Tests.Protocol;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>What happens to a mesh: one thing at a time, drawn from the world's dice.</summary>
internal static class Mischief
{
    /// <summary>By then everything that <see cref="Act"/> has begun for later is over, but for hosts that are asleep or down.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    private const int Kinds = 56; // what is not named below is traffic

    public static void Act(World world)
    {
        var random = world.Random;
        var node = world.Any();
        if (!node.IsRunning)
        {
            if (random.Next(3) == 0)
            {
                node.Start(connect: random.Next(2) == 0);
                node.Wake();
            }

            return;
        }

        var other = Partner(world, node);
        switch (random.Next(Kinds))
        {
            case 0: Restart(node, connect: true); break;
            case 1: Restart(node, connect: false); break;
            case 2:
                node.Stop();
                node.JumpClock(TimeSpan.FromSeconds(-random.Next(100_000)));
                node.Start(connect: true);
                break;
            case 3: UpAndDown(world, node); break;
            case 4: node.Roam(); break;
            case 5: ChangeKey(world, node); break;
            case 6: ChangePresharedKey(world, node, other); break;
            case 7: node.JumpClock(TimeSpan.FromSeconds(random.Next(-100_000, 100_000))); break;
            case 8: node.Sleep(TimeSpan.FromSeconds(random.NextDouble() * (random.Next(3) == 0 ? 700 : 40))); break;
            case 9: world.Network.Cut(node, other); break;
            case 10: Partition(world); break;
            case 11: world.Network.Heal(); break;
            case 12: node.Backlog = random.Next(2) * ProtocolCore.LoadThreshold; break;
            case 13: node.SetKeepalive(other, (ushort)(random.Next(3) * random.Next(1, 20))); break;
            case 14: RemoveAndAdd(world, node, other); break;
            case 15: node.Configure(connect: random.Next(2) == 0); break;
            case 16: node.SetEndpoint(other, random.Next(2) == 0 ? other.Address : world.Network.NewAddress(owner: null)); break;
            case 17: node.SetMtu(random.Next(1280, 1421)); break;
            case 18: node.TakeKeyAway(); break;
            case 19: WearOut(world, node, other); break;
            case 20 or 21: MovePrefix(world, node); break;
            case 22: Forge(world, node, other); break;
            case 23 or 24: world.Network.Replay(random.Next(1, 30)); break;
            case 25: Traffic(world, node, other, random.Next(130, 200)); break; // more than may wait for a session
            case 26: MoveOwnAddress(world, node, other); break;
            case 27: node.MoveTo(random.Next(2) == 0 ? ProtocolVersion.One : TestVersions.Two, other); break;
            default: Traffic(world, node, other, random.Next(1, 12)); break;
        }
    }

    /// <summary>Only what a lossless mesh has to take without losing a packet.</summary>
    public static void ActGently(World world)
    {
        var random = world.Random;
        var (node, other) = world.AnyPair();
        switch (random.Next(6))
        {
            case 0: node.JumpClock(TimeSpan.FromSeconds(random.Next(-100_000, 100_000))); break;
            case 1: node.SetKeepalive(other, (ushort)random.Next(60)); break;
            case 2: node.Configure(connect: random.Next(2) == 0); break;
            case 3: node.SetMtu(random.Next(1280, 1421)); break;
            case 4: world.Network.Replay(random.Next(1, 10)); break;
            case 5:
                var key = PresharedKey(world);
                node.SetPresharedKey(other, key);
                other.SetPresharedKey(node, key);
                break;
        }
    }

    private static void Restart(Node node, bool connect)
    {
        node.Stop();
        node.Start(connect);
    }

    // a storm of starts that hardly get to say anything
    private static void UpAndDown(World world, Node node)
    {
        for (var i = world.Random.Next(2, 8); i > 0; i--)
        {
            Later(world, node.Stop);
            Later(world, () => node.Start(connect: world.Random.Next(2) == 0));
        }
    }

    // the others hear of it one after the other
    private static void ChangeKey(World world, Node node)
    {
        node.ChangeKey();
        foreach (var other in world.Nodes.Where(other => other != node))
        {
            Later(world, () => other.Learn(node));
        }
    }

    private static void ChangePresharedKey(World world, Node node, Node other)
    {
        var key = PresharedKey(world);
        node.SetPresharedKey(other, key);
        if (world.Random.Next(4) != 0)
        {
            Later(world, () => other.SetPresharedKey(node, key));
        }
    }

    private static void Partition(World world)
    {
        var here = world.Nodes.Where(_ => world.Random.Next(2) == 0).ToHashSet();
        world.Network.Partition(here.Contains);
    }

    private static void RemoveAndAdd(World world, Node node, Node other)
    {
        node.Remove(other);
        if (world.Random.Next(2) == 0)
        {
            node.Add(other, connect: world.Random.Next(2) == 0);
        }
        else
        {
            Later(world, () => node.Add(other, connect: world.Random.Next(2) == 0));
        }
    }

    // the key nears one of its limits
    private static void WearOut(World world, Node node, Node other)
    {
        if (node.PeerOf(other)?.Current is { } session)
        {
            var limit = world.Random.Next(2) == 0 ? Limits.RekeyAfterMessages : Limits.RejectAfterMessages;
            session.NextCounter = Math.Max(session.NextCounter, limit - (ulong)world.Random.Next(8));
            Traffic(world, node, other, world.Random.Next(1, 12));
        }
    }

    // a prefix moves to whoever it may be, a moment with its traffic follows
    private static void MovePrefix(World world, Node node)
    {
        var prefix = World.Floating[world.Random.Next(World.Floating.Count)];
        node.Give(prefix, world.Random.Next(4) == 0 ? null : world.Any(but: node));
        for (var i = world.Random.Next(1, 8); i > 0; i--)
        {
            var inside = AnyInside(world, prefix);
            var from = world.Any();
            if (world.Random.Next(2) == 0)
            {
                world.Send(node, node.Own(prefix.IsIPv6), inside);
            }
            else if (from != node)
            {
                world.Send(from, inside, node.Own(prefix.IsIPv6));
            }
        }
    }

    // even an address of a node's own goes to someone else
    private static void MoveOwnAddress(World world, Node node, Node other)
    {
        node.Give(other.Own(world.Random.Next(2) == 0), world.Any(but: node));
        Traffic(world, node, other, 3);
        Traffic(world, other, node, 3);
    }

    // a packet that claims to come from a third node
    private static void Forge(World world, Node node, Node other)
    {
        var third = world.Any(but: node);
        var v6 = world.Random.Next(2) == 0;
        world.Send(node, third == other ? node.Own(v6) : third.Own(v6), other.Own(v6));
    }

    private static void Traffic(World world, Node node, Node other, int packets)
    {
        for (var i = 0; i < packets; i++)
        {
            world.Send(node, other);
        }
    }

    private static Node Partner(World world, Node node)
    {
        var mine = world.Pairs.Where(pair => pair.Node == node || pair.Other == node).ToList();
        var (one, two) = mine[world.Random.Next(mine.Count)];
        return one == node ? two : one;
    }

    private static Prefix AnyInside(World world, Prefix prefix)
    {
        var bits = prefix.IsIPv6 ? 128 : 32;
        var host = (UInt128)(uint)world.Random.Next() & ((UInt128.One << Math.Min(31, bits - prefix.Length)) - 1);
        return Prefix.Create(prefix.Address | host, bits, prefix.IsIPv6);
    }

    private static SecretKey PresharedKey(World world)
    {
        var bytes = new byte[SecretKey.Length];
        world.Random.NextBytes(bytes);
        return new SecretKey(bytes);
    }

    private static void Later(World world, Action action) => world.At(Longest * world.Random.NextDouble(), action);
}
