using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;
using WgMesh.Engine.Tests.Protocol;
using Xunit.Sdk;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// Meshes of engines in weather that a seed decides. A failing seed is named in the message; SIMULATION_SEED=n runs that
/// one alone, SIMULATION_SEEDS=n as many from the first.
/// </summary>
public class SimulationTests
{
    private const int DefaultSeeds = 25;

    [Fact]
    public void In_any_weather_every_invariant_holds_and_a_healed_mesh_recovers() => ForEachSeed(Storm);

    [Fact]
    public void Without_loss_every_packet_arrives_once_however_late_through_every_rekey() => ForEachSeed(Breeze);

    [Fact]
    public void A_mesh_moves_to_another_version_and_back_without_losing_a_packet() => ForEachSeed(Move);

    private static void ForEachSeed(Action<int> scenario)
    {
        var first = 1;
        var count = int.Parse(Environment.GetEnvironmentVariable("SIMULATION_SEEDS") ?? $"{DefaultSeeds}", System.Globalization.CultureInfo.InvariantCulture);
        if (Environment.GetEnvironmentVariable("SIMULATION_SEED") is { } only)
        {
            first = int.Parse(only, System.Globalization.CultureInfo.InvariantCulture);
            count = 1;
        }

        Parallel.For(first, first + count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, seed =>
        {
            try
            {
                scenario(seed);
            }
            catch (Exception e)
            {
                throw new XunitException($"seed {seed}: {e.Message}\n{e.StackTrace}");
            }
        });
    }

    /// <summary>Loss, duplication, reordering, partitions, clock jumps, roaming, restarts, new keys, load; then peace.</summary>
    private static void Storm(int seed)
    {
        var random = new Random(seed);
        var world = new World(seed, nodes: seed % 50 == 0 ? 20 : random.Next(2, 6));
        for (var round = 0; round < 30; round++)
        {
            world.Weather = new(random.NextDouble() * 0.5, random.NextDouble() * 0.3, TimeSpan.FromMilliseconds(random.Next(1, 3000)));
            for (var i = random.Next(12); i > 0; i--)
            {
                Act(world, random);
            }

            world.Run(TimeSpan.FromSeconds(random.NextDouble() * (random.Next(8) == 0 ? 250 : 12)));
        }

        Recover(world);
    }

    private static void Act(World world, Random random)
    {
        var node = Any(world, random);
        var other = Any(world, random, but: node);
        switch (random.Next(24))
        {
            case 0: node.Restart(); break;
            case 1: node.Roam(); break;
            case 2: node.ChangeKey(); break;
            case 3: node.JumpClock(TimeSpan.FromSeconds(random.Next(-100_000, 100_000))); break;
            case 4: world.Cut(node, other); break;
            case 5: node.Backlog = random.Next(2) * ProtocolCore.LoadThreshold; break;
            case 6: node.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = other.PublicKey, PersistentKeepalive = (ushort)random.Next(3) }] }); break;
            case 7:
                node.Apply(new DeviceUpdate { Peers = [new PeerUpdate { PublicKey = other.PublicKey, Remove = true }] });
                node.AddPeer(other);
                break;
            case 8: world.Heal(); break;
            case 10: node.MoveTo(random.Next(2) == 0 ? ProtocolVersion.One : TestVersions.Two, other); break;
            case 9 when world.Nodes.Count > 2:
                world.Forge(node, other, world.Nodes.First(third => third != node && third != other));
                break;
            default:
                for (var i = random.Next(1, 20); i > 0; i--)
                {
                    world.Send(node, other);
                }

                break;
        }
    }

    // The protocol's own bounds: 15.3 s until silence is noticed, and initiations 5.3 s apart.
    private static void Recover(World world)
    {
        world.Heal();
        foreach (var node in world.Nodes)
        {
            node.Backlog = 0;
            foreach (var other in world.Nodes.Where(other => other != node))
            {
                node.AddPeer(other); // what the operator would do for one that has moved
                node.MoveTo(ProtocolVersion.One, other);
            }
        }

        for (var second = 0; second < 30; second++)
        {
            SendAll(world);
            world.Run(TimeSpan.FromSeconds(1));
        }

        var last = SendAll(world);
        world.Run(TimeSpan.FromSeconds(1));
        Assert.True(last.TrueForAll(world.Watch.HasArrived), "a healed mesh has not recovered within 30 s");
    }

    /// <summary>Only delays and duplicates, long enough for several rekeys, with both sides of every pair starting at once.</summary>
    private static void Breeze(int seed)
    {
        var random = new Random(seed);
        var world = new World(seed, nodes: random.Next(2, 5))
        {
            Weather = new(0, random.NextDouble() * 0.3, TimeSpan.FromMilliseconds(random.Next(1, 400))),
        };
        var sent = new List<ulong>();
        var end = world.Now + (long)TimeSpan.FromSeconds(500).TotalNanoseconds;
        while (world.Now < end)
        {
            if (random.Next(4) == 0)
            {
                sent.AddRange(SendAll(world));
            }
            else
            {
                var from = Any(world, random);
                sent.Add(world.Send(from, Any(world, random, but: from)));
            }

            world.Run(TimeSpan.FromMilliseconds(random.Next(random.Next(10) == 0 ? 30_000 : 800)));
        }

        world.Run(TimeSpan.FromSeconds(20));
        var missing = sent.Where(packet => !world.Watch.HasArrived(packet)).ToArray();
        Assert.True(missing.Length == 0, $"{missing.Length} of {sent.Count} packets were lost without a lossy network");
    }

    /// <summary>
    /// Every link moves while it carries packets, its two ends up to half a minute apart and in any order, and later back. The network
    /// loses nothing, so whatever is lost is the move's doing.
    /// </summary>
    private static void Move(int seed)
    {
        var random = new Random(seed);
        var world = new World(seed, nodes: random.Next(2, 5))
        {
            Weather = new(0, random.NextDouble() * 0.3, TimeSpan.FromMilliseconds(random.Next(1, 400))),
        };
        var sent = new List<ulong>();
        var links = (from node in world.Nodes from other in world.Nodes where other != node select (node, other)).ToArray();
        foreach (var version in (ProtocolVersion[])[ProtocolVersion.One, TestVersions.Two, ProtocolVersion.One, TestVersions.Two])
        {
            foreach (var (node, other) in links)
            {
                world.At(TimeSpan.FromSeconds(random.NextDouble() * 30), () => node.MoveTo(version, other));
            }

            // the initiator of a session replaces it when it sends, and an initiation in the old version may be turned down for a while
            for (var second = 0; second < 60; second++)
            {
                sent.AddRange(SendAll(world));
                world.Run(TimeSpan.FromSeconds(random.NextDouble() * 2));
            }

            Assert.All(links, link => Assert.Equal(version, link.node.PeerOf(link.other).Current?.Version));
        }

        world.Run(TimeSpan.FromSeconds(20));
        var missing = sent.Where(packet => !world.Watch.HasArrived(packet)).ToArray();
        Assert.True(missing.Length == 0, $"{missing.Length} of {sent.Count} packets were lost in a move");
    }

    private static List<ulong> SendAll(World world) =>
        [.. from node in world.Nodes from other in world.Nodes where other != node select world.Send(node, other)];

    private static Node Any(World world, Random random, Node? but = null)
    {
        while (true)
        {
            var node = world.Nodes[random.Next(world.Nodes.Count)];
            if (node != but)
            {
                return node;
            }
        }
    }
}
