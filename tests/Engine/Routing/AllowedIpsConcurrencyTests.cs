using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Routing;

public sealed class AllowedIpsConcurrencyTests
{
    [Fact]
    public async Task A_prefix_always_has_an_owner_while_it_moves_and_while_the_paths_around_it_change()
    {
        var table = new AllowedIps<string>();
        string a = "A", b = "B", noise = "noise";
        var ipv4 = Prefix.Create(0x0a010200, 24, false);
        var ipv6 = Prefix.Create(new UInt128(0xfd00_0001_0002_0003, 0), 64, true);
        table.Insert(ipv4, a);
        table.Insert(ipv6, a);

        using var done = new CancellationTokenSource();
        using var started = new CountdownEvent(2);
        var readers = Enumerable.Range(0, 2)
            .Select(_ => Task.Factory.StartNew(Read, default, TaskCreationOptions.LongRunning, TaskScheduler.Default))
            .ToArray();
        started.Wait();
        void Read()
        {
            started.Signal();
            while (!done.IsCancellationRequested)
            {
                Assert.True(table.LookupIPv4(0x0a010203) is "A" or "B");
                Assert.True(table.LookupIPv6(ipv6.Address) is "A" or "B");
            }
        }

        var random = new Random(3);
        for (var i = 0; i < 100_000; i++)
        {
            var owner = i % 2 == 0 ? b : a;
            table.Insert(ipv4, owner);
            table.Insert(ipv6, owner);

            // branches above and beside the path to the two prefixes come and go
            var bit = random.Next(24);
            var beside4 = Prefix.Create(ipv4.Address ^ (UInt128.One << (31 - bit)), random.Next(bit + 1, 33), false);
            var beside6 = Prefix.Create(ipv6.Address ^ (UInt128.One << (127 - bit)), random.Next(bit + 1, 129), true);
            if (random.Next(2) == 0)
            {
                table.Insert(beside4, noise);
                table.Insert(beside6, noise);
            }
            else
            {
                table.Remove(beside4, noise);
                table.Remove(beside6, noise);
            }

            if (i % 100 == 0)
            {
                table.RemoveOwner(noise);
            }
        }

        await done.CancelAsync();
        await Task.WhenAll(readers);
    }

    [Fact]
    public async Task A_look_up_beside_changes_finds_the_owner_of_an_address_or_none_but_no_other()
    {
        // addresses of which each has its one owner, or none
        var table = new AllowedIps<string>();
        var owners = Enumerable.Range(0, 256).Select(i => $"{i}").ToArray();
        using var done = new CancellationTokenSource();
        using var started = new CountdownEvent(2);
        var readers = Enumerable.Range(0, 2)
            .Select(seed => Task.Factory.StartNew(() => Read(new Random(seed)), default, TaskCreationOptions.LongRunning, TaskScheduler.Default))
            .ToArray();
        started.Wait();
        void Read(Random random)
        {
            started.Signal();
            while (!done.IsCancellationRequested)
            {
                var address = Address(random);
                Assert.True(table.LookupIPv6(address) is not { } six || six == OwnerOf(address));
                Assert.True(table.LookupIPv4((uint)(address >> 96)) is not { } four || four == OwnerOf(address >> 96));
            }
        }

        var random = new Random(7);
        for (var i = 0; i < 200_000; i++)
        {
            var ipv6 = Address(random);
            var ipv4 = ipv6 >> 96;
            if (random.Next(2) == 0)
            {
                table.Insert(Prefix.Create(ipv4, 32, false), OwnerOf(ipv4));
                table.Insert(Prefix.Create(ipv6, 128, true), OwnerOf(ipv6));
            }
            else
            {
                table.Remove(Prefix.Create(ipv4, 32, false), OwnerOf(ipv4));
                table.Remove(Prefix.Create(ipv6, 128, true), OwnerOf(ipv6));
            }

            if (i % 100 == 0)
            {
                table.RemoveOwner(OwnerOf(ipv6));
            }
        }

        await done.CancelAsync();
        await Task.WhenAll(readers);

        string OwnerOf(UInt128 address) => owners[(int)((address ^ (address >> 61) ^ (address >> 96) ^ (address >> 121)) & 255)];

        // few, so that they come and go, and part at many places
        static UInt128 Address(Random random) =>
            ((UInt128)random.Next(2) << 124) | ((UInt128)random.Next(2) << 98) | ((UInt128)random.Next(2) << 62) | (UInt128)random.Next(2);
    }

    [Fact]
    public void Writers_wait_for_each_other()
    {
        var table = new AllowedIps<string>();
        Parallel.For(0, 4, writer =>
        {
            var owner = writer.ToString(System.Globalization.CultureInfo.InvariantCulture);
            for (uint i = 0; i < 2000; i++)
            {
                table.Insert(Prefix.Create((i * 4) + (uint)writer, 32, false), owner);
                table.Insert(Prefix.Create(i % 7, 32, false), owner);
            }

            table.RemoveOwner(owner);
        });
        Assert.Equal((0, 0), (table.Count, table.CountNodes()));
    }
}
