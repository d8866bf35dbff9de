using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Routing;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Routing;

/// <summary>The trie does what a dictionary of prefixes, searched from end to end, does.</summary>
public sealed class AllowedIpsAgainstNaiveRouterTests
{
    private static readonly string[] Owners = ["A", "B", "C", "D"];

    private enum Kind
    {
        Insert,
        Remove,
        RemoveOwner,
    }

    [Fact]
    public void Any_sequence_of_changes_ends_as_it_does_for_the_naive_router() =>
        Prop.ForAll(Operations(60).ToArbitrary(), Agree).Check(Properties.Config(400));

    [Fact]
    public void So_does_a_long_sequence() =>
        Prop.ForAll(Operations(2000).ToArbitrary(), Agree).Check(Properties.Config(4));

    private static bool Agree(Operation[] operations)
    {
        var table = new AllowedIps<string>();
        var naive = new Dictionary<Prefix, string>();
        foreach (var (kind, prefix, owner) in operations)
        {
            switch (kind)
            {
                case Kind.Insert:
                    Assert.Same(naive.GetValueOrDefault(prefix), table.Insert(prefix, owner));
                    naive[prefix] = owner;
                    break;
                case Kind.Remove:
                    var had = naive.GetValueOrDefault(prefix) == owner && naive.Remove(prefix);
                    Assert.Equal(had, table.Remove(prefix, owner));
                    break;
                case Kind.RemoveOwner:
                    var theirs = naive.Where(entry => entry.Value == owner).Select(entry => entry.Key).ToList();
                    theirs.ForEach(p => naive.Remove(p));
                    Assert.Equal(theirs.Count, table.RemoveOwner(owner));
                    break;
            }

            Assert.Equal(naive.Count, table.Count);
        }

        var expected = naive.OrderBy(e => e.Key.IsIPv6).ThenBy(e => e.Key.Address).ThenBy(e => e.Key.Length).ToList();
        Assert.Equal(expected.Select(e => (e.Key, e.Value)), table.Enumerate());
        foreach (var owner in Owners)
        {
            Assert.Equal(expected.Where(e => e.Value == owner).Select(e => e.Key), table.List(owner));
        }

        // every prefix ever touched: its first and last address and the neighbours beyond them
        foreach (var prefix in operations.Select(operation => operation.Prefix).Distinct())
        {
            var all = prefix.IsIPv6 ? UInt128.MaxValue : uint.MaxValue;
            var last = prefix.Address | (prefix.Length == 0 ? all : ~(UInt128.MaxValue << (prefix.Bits - prefix.Length)) & all);
            foreach (var address in (UInt128[])[prefix.Address, last, (prefix.Address - 1) & all, (last + 1) & all])
            {
                var owner = naive.Where(e => e.Key.IsIPv6 == prefix.IsIPv6 && e.Key.Contains(address))
                    .OrderByDescending(e => e.Key.Length).Select(e => e.Value).FirstOrDefault();
                Assert.Same(owner, prefix.IsIPv6 ? table.LookupIPv6(address) : table.LookupIPv4((uint)address));
            }
        }

        // compressed: each node is where at least two things part, hence there are fewer than prefixes
        Assert.InRange(table.CountNodes(), 0, Math.Max(0, naive.Count - 1));
        return true;
    }

    /// <summary>Prefixes from a small space, so that they nest, share paths and come again, in both families.</summary>
    private static Gen<Operation[]> Operations(int length)
    {
        var prefixes =
            from isIPv6 in Gen.Elements(true, false)
            from high in Gen.Choose(0, 7)
            from low in Gen.Choose(0, 3)
            from edge in Gen.Elements(0, 1, 2, 3, 8, 31, 32, 33, 63, 64, 65, 127, 128)
            from any in Gen.Choose(0, 128)
            from useEdge in Gen.Elements(true, false)
            let bits = isIPv6 ? 128 : 32
            let address = ((UInt128)high << (bits - 3)) | ((UInt128)low << (bits / 2)) | (UInt128)low
            select Prefix.Create(address, Math.Min(useEdge ? edge : any, bits), isIPv6);
        var operations =
            from kind in Gen.Frequency((12, Gen.Constant(Kind.Insert)), (10, Gen.Constant(Kind.Remove)), (1, Gen.Constant(Kind.RemoveOwner)))
            from prefix in prefixes
            from owner in Gen.Elements(Owners)
            select new Operation(kind, prefix, owner);
        return operations.ArrayOf(length);
    }

    private sealed record Operation(Kind Kind, Prefix Prefix, string Owner);
}
