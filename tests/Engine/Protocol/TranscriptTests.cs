using WgMesh.Engine.Device;
using static WgMesh.Engine.Tests.Protocol.Host;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>A whole handshake and the first packets, with fixed keys, against the same computed independently.</summary>
public class TranscriptTests
{
    private static readonly byte[] Timestamp = Convert.FromHexString("40000000" + "6955B90A" + "00000000"); // 2026-01-01 and the ten seconds of TAI

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_handshake_with_fixed_keys_is_what_the_paper_says_byte_for_byte(bool withPresharedKey)
    {
        var (lab, a, b) = Lab.Pair();
        byte[] presharedKey = withPresharedKey ? Counting(200) : new byte[32], first = Counting(1), second = Counting(100);
        if (withPresharedKey)
        {
            a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = new SecretKey(presharedKey) });
            b.Apply(new PeerUpdate { PublicKey = a.Identity.PublicKey, PresharedKey = new SecretKey(presharedKey) });
        }

        var expected = new ReferenceNoise
        {
            InitiatorPrivate = a.Key.Bytes.ToArray(), ResponderPrivate = b.Key.Bytes.ToArray(), InitiatorEphemeral = first, ResponderEphemeral = second,
            InitiatorIndex = 0x11223344, ResponderIndex = 0xaabbccdd, Timestamp = Timestamp, PresharedKey = presharedKey,
        }.Run();

        a.Random.ScriptInitiation(0x11223344, 0, first.ToArray());
        b.Random.Script.Enqueue(BitConverter.GetBytes(0xaabbccdd));
        b.Random.Script.Enqueue(second.ToArray());

        a.SendTo("10.0.0.2", "10.0.0.1", "one");
        Assert.Equal(Hex(expected.Initiation), Hex(lab.Wire.Single().Bytes));
        lab.DeliverNext();
        Assert.Equal(Hex(expected.Response), Hex(lab.Wire.Single().Bytes));
        lab.DeliverNext();
        Assert.Equal(
            Hex(ReferenceNoise.Transport(expected.InitiatorToResponder, 0xaabbccdd, 0, Packet("10.0.0.1", "10.0.0.2", "one"))), Hex(lab.Wire.Single().Bytes));
        lab.DeliverNext();
        b.SendTo("10.0.0.1", "10.0.0.2", "two");
        b.SendTo("10.0.0.1", "10.0.0.2", "three");
        Assert.Equal(
            [
                Hex(ReferenceNoise.Transport(expected.ResponderToInitiator, 0x11223344, 0, Packet("10.0.0.2", "10.0.0.1", "two"))),
                Hex(ReferenceNoise.Transport(expected.ResponderToInitiator, 0x11223344, 1, Packet("10.0.0.2", "10.0.0.1", "three"))),
            ],
            lab.Wire.Select(frame => Hex(frame.Bytes)));
        lab.Deliver();
        Assert.Equal(["two", "three"], a.Received.Select(Text));
    }

    [Fact]
    public void A_keepalive_is_the_seal_of_nothing()
    {
        var (lab, a, b) = Lab.Pair();
        byte[] first = Counting(1), second = Counting(100);
        var expected = new ReferenceNoise
        {
            InitiatorPrivate = a.Key.Bytes.ToArray(), ResponderPrivate = b.Key.Bytes.ToArray(), InitiatorEphemeral = first, ResponderEphemeral = second,
            InitiatorIndex = 1, ResponderIndex = 2, Timestamp = Timestamp,
        }.Run();
        a.Random.ScriptInitiation(1, 0, first.ToArray());
        b.Random.Script.Enqueue(BitConverter.GetBytes(2));
        b.Random.Script.Enqueue(second.ToArray());
        a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Connect = true });
        lab.DeliverNext();
        lab.DeliverNext();
        Assert.Equal(Hex(ReferenceNoise.Transport(expected.InitiatorToResponder, 2, 0, [])), Hex(lab.Wire.Single().Bytes));
    }

    [Fact] // RFC 7693, appendix B; RFC 7748, section 6.1
    public void The_independent_arithmetic_passes_the_vectors_of_its_own()
    {
        Assert.Equal("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", Hex(ReferenceNoise.Hash("abc"u8.ToArray())));
        Assert.Equal(
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
            Hex(ReferenceNoise.Dh(
                Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
                Convert.FromHexString("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))));
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Counting(byte from) => Enumerable.Range(from, 32).Select(i => (byte)i).ToArray();
}
