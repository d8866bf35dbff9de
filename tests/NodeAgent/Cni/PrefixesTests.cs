using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Routing;
using WgMesh.NodeAgent.Cni;
using WgMesh.Tests.Shared;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class PrefixesTests
{
    // close together, so that many hold others
    private static readonly Arbitrary<ImmutableArray<Prefix>> Crowds = Gen.Choose(0, 1)
        .SelectMany(family => Gen.Choose(0, 255).SelectMany(address => Gen.Choose(0, 8), (address, length) =>
            Prefix.Create((UInt128)(uint)address << (family == 0 ? 24 : 120), length, family == 1)))
        .ListOf().Select(list => list.ToImmutableArray()).ToArbitrary();

    [Fact]
    public void Each_prefix_lies_in_exactly_one_of_those_that_are_left() => Prop.ForAll(Crowds, all =>
    {
        var left = Prefixes.Outermost(all);
        return all.All(p => left.Count(l => l.Overlaps(p) && l.Length <= p.Length) == 1);
    }).Check(Properties.Config(2000));

    [Fact]
    public void Those_that_are_left_share_no_address_and_keep_their_order() => Prop.ForAll(Crowds, all =>
    {
        var left = Prefixes.Outermost(all);
        return left.All(a => left.Count(a.Overlaps) == 1) && left.SequenceEqual(all.Distinct().Where(left.Contains));
    }).Check(Properties.Config(2000));
}
