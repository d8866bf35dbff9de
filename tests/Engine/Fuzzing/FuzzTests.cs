using FsCheck;
using FsCheck.Fluent;
using WgMesh.Fuzz.Targets;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Fuzzing;

/// <summary>
/// A bounded look at what bench/Fuzz does for as long as one likes: what comes from outside breaks nothing. A failure is made smaller, down
/// to the changes that matter.
/// </summary>
public sealed class FuzzTests
{
    private static readonly Gen<Mutation> Mutations =
        from kind in Gen.Elements(Enum.GetValues<MutationKind>())
        from nearTheStart in Gen.Choose(0, 3)
        from position in Gen.Choose(0, nearTheStart == 0 ? 40 : int.MaxValue - 1)
        from value in Gen.Choose(0, int.MaxValue - 1)
        select new Mutation(kind, (uint)position, (uint)value);

    private static readonly Gen<Sample> Samples =
        from entry in Gen.Choose(0, 1000)
        from count in Gen.Frequency((4, Gen.Constant(1)), (3, Gen.Choose(0, 3)), (1, Gen.Choose(4, 20)))
        from mutations in Mutations.ListOf(count)
        select new Sample((uint)entry, [.. mutations]);

    private static readonly Arbitrary<List<Sample>> Scenarios = Arb.From(Samples.ListOf().Select(samples => samples.ToList()), Smaller);

    [Fact]
    public void A_changed_message_is_dropped_in_silence_and_the_real_one_behind_it_is_taken() => Holds(new ProtocolTarget(), 150);

    [Fact]
    public void A_packet_arrives_as_it_was_or_not_at_all() => Holds(new PacketTarget(), 300);

    [Fact]
    public void What_is_gathered_and_cut_again_is_what_it_was() => Holds(new OffloadTarget(), 500);

    [Fact]
    public void A_set_of_the_UAPI_is_a_change_or_an_error_without_secrets() => Holds(new UapiTarget(), 500);

    [Fact]
    public void A_request_of_the_UAPI_may_come_in_pieces() => Holds(new UapiSocketTarget(), 100);

    [Fact]
    public void Whatever_netlink_says_is_read_or_passed_over() => Holds(new NetlinkTarget(), 1000);

    [Fact]
    public void A_rule_that_breaks_now_and_then_is_found_and_told_with_its_seed_and_the_one_change_that_matters()
    {
        var e = Assert.ThrowsAny<Exception>(() => Holds(new Forgetful(), 100));
        Assert.Matches(@"Falsifiable, after \d+ tests? \(\d+ shrinks?\) \(\d+,\d+\)", e.Message);
        Assert.Matches(@"Shrunk:\s+seq \[\d+: Mutation \{[^{}]*\}\]\s", e.Message);
    }

    private static void Holds(FuzzTarget target, int count) => Prop.ForAll(Scenarios, target.Run).Check(Properties.Config(count));

    private static IEnumerable<List<Sample>> Smaller(List<Sample> scenario)
    {
        for (var i = 0; i < scenario.Count; i++)
        {
            yield return [.. scenario[..i], .. scenario[(i + 1)..]];
        }

        for (var i = 0; i < scenario.Count; i++)
        {
            var mutations = scenario[i].Mutations;
            for (var j = 0; j < mutations.Count; j++)
            {
                yield return [.. scenario[..i], new Sample(scenario[i].Entry, [.. mutations.Take(j), .. mutations.Skip(j + 1)]), .. scenario[(i + 1)..]];
            }
        }
    }

    /// <summary>Breaks its rule now and then.</summary>
    private sealed class Forgetful : MessageTarget
    {
        public override string Name => "forgetful";

        protected override IReadOnlyList<byte[]> Corpus { get; } = [new byte[10]];

        protected override int MemoryPerByte => 100;

        protected override void Take(byte[] input) => Require(input.Length >= 10, "it is too short");
    }
}
