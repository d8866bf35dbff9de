using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Engine.Tests.Crypto.Kernels;

public sealed unsafe class AeadChoiceTests
{
    private static readonly LibcryptoKernel Trusted = new();

    [Fact]
    public void The_first_kernel_that_is_supported_and_right_is_chosen_and_wrong_ones_before_it_are_told()
    {
        var right = new Fake("right");
        var choice = AeadChoice.Choose(null, [new Fake("foreign") { Supported = false }, new Fake("wrong") { Flip = 64 }, right, new Fake("slow"), Trusted]);
        Assert.Same(right, choice.Kernel);
        Assert.Null(choice.Refusal);
        Assert.Contains("The wrong implementation", Assert.Single(choice.PassedOver), StringComparison.Ordinal);
    }

    [Fact]
    public void The_last_one_is_left_if_all_others_are_wrong() =>
        Assert.Same(Trusted, AeadChoice.Choose("", [new Fake("wrong") { Flip = 1420 }, Trusted]).Kernel);

    [Fact]
    public void A_kernel_is_chosen_by_its_name()
    {
        var named = new Fake("named");
        Assert.Same(named, AeadChoice.Choose("named", [new Fake("fast"), named, Trusted]).Kernel);
        Assert.Same(Trusted, AeadChoice.Choose("libcrypto", [new Fake("fast"), Trusted]).Kernel);
    }

    [Theory]
    [InlineData("quantum", "WGMESH_AEAD=quantum cannot be used: there is no such implementation. Possible on this machine: fast, wrong, libcrypto.")]
    [InlineData("foreign", "WGMESH_AEAD=foreign cannot be used: this processor cannot execute it. Possible on this machine: fast, wrong, libcrypto.")]
    [InlineData("wrong", "WGMESH_AEAD=wrong cannot be used: it failed its self-test. Possible on this machine: fast, libcrypto.")]
    public void A_name_that_cannot_be_had_is_refused_with_those_that_can(string name, string refusal)
    {
        var choice = AeadChoice.Choose(name, [new Fake("foreign") { Supported = false }, new Fake("fast"), new Fake("wrong") { Flip = 0 }, Trusted]);
        Assert.Equal(refusal, choice.Refusal);
    }

    [Theory]
    [InlineData("ciphertext")]
    [InlineData("first half")]
    [InlineData("second half")]
    public void A_kernel_that_does_not_look_at_one_half_of_the_tag_or_at_the_ciphertext_fails_its_self_test(string ignored) =>
        Assert.False(AeadSelfTest.Passes(new Fake("credulous") { Ignores = ignored }, Trusted));

    [Fact]
    public void Every_kernel_of_this_machine_passes_its_self_test() =>
        Assert.All(AeadChoice.Kernels.Where(kernel => kernel.IsSupported), kernel => Assert.True(AeadSelfTest.Passes(kernel, Trusted)));

    /// <summary>libcrypto under another name, with faults.</summary>
    private sealed class Fake(string name) : AeadKernel
    {
        private byte[] _last = [];

        public bool Supported { get; init; } = true;

        /// <summary>Length of messages that it seals wrong.</summary>
        public int Flip { get; init; } = -1;

        /// <summary>What it does not look at when it opens.</summary>
        public string? Ignores { get; init; }

        public override string Name => name;

        public override bool IsSupported => Supported;

        public override void Seal(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength)
        {
            Trusted.Seal(key, nonce0, nonce, input, length, output, ad, adLength);
            _last = new Span<byte>(output, length + 16).ToArray();
            if (length == Flip)
            {
                output[length] ^= 1;
            }
        }

        public override bool Open(byte* key, uint nonce0, ulong nonce, byte* input, int length, byte* output, byte* ad, int adLength) =>
            Trusted.Open(key, nonce0, nonce, input, length, output, ad, adLength) || (Ignores is not null && IsLastApartFromIt(input, length));

        private bool IsLastApartFromIt(byte* input, int length) =>
            (Ignores == "ciphertext" || new Span<byte>(input, length).SequenceEqual(_last.AsSpan(0, length)))
            && (Ignores == "first half" || new Span<byte>(input + length, 8).SequenceEqual(_last.AsSpan(length, 8)))
            && (Ignores == "second half" || new Span<byte>(input + length + 8, 8).SequenceEqual(_last.AsSpan(length + 8, 8)));
    }
}
