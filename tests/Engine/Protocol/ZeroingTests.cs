using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using WgMesh.Engine.Crypto;
using WgMesh.Engine.Device;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests.Protocol;

/// <summary>Keys are gone when their time is over: looked for in the memory of the process, OpenSSL's included.</summary>
public class ZeroingTests
{
    [Fact]
    public void An_AEAD_key_stands_nowhere_in_memory_once_it_is_disposed_of()
    {
        var buffer = new byte[128];
        ChaCha20Poly1305Key? key = null;
        ExpectWiped(
            secret =>
            {
                key = new ChaCha20Poly1305Key(secret);
                Assert.True(key.TrySeal(1, buffer.AsSpan(0, 64), buffer));
                Assert.True(key.TryOpen(1, buffer.AsSpan(0, 80), buffer));
            },
            () => key!.Dispose());
    }

    [Fact]
    public void A_private_key_stands_nowhere_in_memory_once_it_was_replaced()
    {
        var (lab, a, b) = Lab.Connected();
        ExpectWiped(
            secret =>
            {
                X25519.Clamp(secret); // as it is kept
                using var key = new SecretKey(secret);
                a.Apply(new DeviceUpdate { PrivateKey = key });
                a.SendTo("10.0.0.2", "10.0.0.1"); // a handshake with it
                lab.Deliver();
            },
            () => a.Apply(new DeviceUpdate { PrivateKey = b.Key }));
    }

    [Fact]
    public void A_preshared_key_stands_nowhere_in_memory_once_its_peer_is_gone()
    {
        var (lab, a, b) = Lab.Pair();
        ExpectWiped(
            secret =>
            {
                using var key = new SecretKey(secret);
                a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = key });
                a.SendTo("10.0.0.2", "10.0.0.1");
                lab.Deliver();
            },
            () => a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true }));
    }

    [Fact]
    public void A_preshared_key_stands_nowhere_in_memory_once_it_was_replaced()
    {
        var (_, a, b) = Lab.Pair();
        ExpectWiped(
            secret =>
            {
                using var key = new SecretKey(secret);
                a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = key });
            },
            () => a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, PresharedKey = new SecretKey(new byte[32]) }));
    }

    [Fact]
    public void What_two_static_keys_agree_on_is_computed_beforehand_and_stands_nowhere_in_memory_once_the_peer_is_gone()
    {
        var lab = new Lab();
        var seed = RandomNumberGenerator.GetInt32(1 << 20, int.MaxValue); // keys that no other test has
        Host a = lab.AddHost("192.0.2.1:51820", seed), b = lab.AddHost("192.0.2.2:51820", seed - 1);
        var publicKey = b.Identity.PublicKey.ToArray();
        ExpectWiped(
            secret =>
            {
                a.AddPeer(b, "10.0.0.2/32"); // no handshake yet
                Assert.True(X25519.TryAgree(a.Key.Bytes, publicKey, secret));
            },
            () => a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true }));
    }

    [Fact]
    public void What_a_handshake_agreed_on_stands_nowhere_in_memory_once_it_has_ended()
    {
        // the initiator's ephemeral private key, which a retry, a response or giving up puts an end to
        foreach (var end in new Action<Lab, Host, Host>[]
        {
            (lab, _, _) => lab.Deliver(),
            (lab, _, _) => lab.Pass(5.4, deliver: false),
            (lab, a, b) => a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true }),
            (lab, a, b) => a.Apply(new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) }),
        })
        {
            var (lab, a, b) = Lab.Pair();
            ExpectWiped(
                secret =>
                {
                    X25519.Clamp(secret);
                    var ephemeral = GC.AllocateUninitializedArray<byte>(32, pinned: true); // or the collector may leave a copy behind
                    secret.CopyTo(ephemeral);
                    a.Random.ScriptInitiation(7, 0, ephemeral);
                    a.SendTo("10.0.0.2", "10.0.0.1");
                    ephemeral.AsSpan().Clear();
                },
                () => end(lab, a, b));
        }
    }

    [Fact]
    public void A_handshake_that_was_disposed_of_knows_nothing_any_more()
    {
        var (_, a, b) = Lab.Pair();
        var shared = new byte[32];
        var publicKey = b.Identity.PublicKey.ToArray();
        Assert.True(X25519.TryAgree(a.Key.Bytes, publicKey, shared));
        var handshake = new NoiseHandshake();
        Assert.True(handshake.TryCreateInitiation(ProtocolVersion.One, a.Identity, b.Identity.PublicKey, shared, default, a.Random, new byte[148]));
        byte[] before = new byte[64], after = new byte[64], fromZeros = new byte[64];
        handshake.DeriveTransportKeys(before.AsSpan(0, 32), before.AsSpan(32));
        handshake.Dispose();
        handshake.DeriveTransportKeys(after.AsSpan(0, 32), after.AsSpan(32));
        Hkdf.Kdf2(new byte[32], [], fromZeros.AsSpan(0, 32), fromZeros.AsSpan(32));
        Assert.NotEqual(before, after);
        Assert.Equal(fromZeros, after);
    }

    [Theory]
    [InlineData("rotated out")]
    [InlineData("peer removed")]
    [InlineData("private key changed")]
    [InlineData("silent for 540 s")]
    public void Every_end_of_a_session_takes_its_keys(string end)
    {
        var (lab, a, b) = Lab.Connected();
        var session = a.Only.Current!;
        switch (end)
        {
            case "rotated out":
                for (var i = 0; i < 2; i++)
                {
                    Assert.True(session.TrySeal(new byte[64]));
                    lab.Pass(121);
                    a.SendTo("10.0.0.2", "10.0.0.1");
                    lab.Deliver();
                }

                break;
            case "peer removed": a.Apply(new PeerUpdate { PublicKey = b.Identity.PublicKey, Remove = true }); break;
            case "private key changed": a.Apply(new DeviceUpdate { PrivateKey = new SecretKey(RandomNumberGenerator.GetBytes(32)) }); break;
            default: lab.Pass(541, deliver: false); break;
        }

        Assert.False(session.TrySeal(new byte[64]));
        Assert.Equal(DropReason.NotAuthentic, session.TryOpen(new byte[64]));
        Assert.NotSame(session, a.Core.Indices.Find(session.LocalIndex));
    }

    /// <summary>A secret is in memory after it was taken into use, and nowhere after its end.</summary>
    /// <param name="use">Takes 32 random bytes into use, or puts others in their place.</param>
    /// <param name="end">Is to wipe them.</param>
    private static unsafe void ExpectWiped(SecretAction use, Action end)
    {
        byte local;
        Span<byte> secret = stackalloc byte[32];
        RandomNumberGenerator.Fill(secret);
        use(secret);
        using var scan = new MemoryScan(secret, &local);
        secret.Clear();
        var places = Places(scan);
        Assert.NotEmpty(places); // else the search itself is at fault
        end();
        Assert.DoesNotContain(places, scan.IsAt);
        Assert.Empty(Places(scan)); // nor has it moved elsewhere
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static List<long> Places(MemoryScan scan) => scan.Find();

    private delegate void SecretAction(Span<byte> secret);
}
