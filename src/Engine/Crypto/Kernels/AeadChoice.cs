using System.Collections.Immutable;
using System.Runtime.Intrinsics;
using WgMesh.Engine.Crypto.Interop;

namespace WgMesh.Engine.Crypto.Kernels;

/// <summary>Which kernel this process uses, and what there is to say about that.</summary>
/// <param name="Kernel">To be used; if the choice is refused, one that works all the same.</param>
/// <param name="PassedOver">A sentence for each kernel that would have been used and does not compute what it should.</param>
/// <param name="Refusal">Why the kernel that was asked for cannot be had, and which can; or null.</param>
internal sealed record AeadChoice(AeadKernel Kernel, ImmutableArray<string> PassedOver, string? Refusal)
{
    /// <summary>The environment variable by which users name a kernel.</summary>
    public const string Variable = "WGMESH_AEAD";

    /// <summary>
    /// All kernels, the fastest with full packets first. On x86-64 libcrypto takes half the time of the portable one, which so is used where it is named; on ARM
    /// neither has been measured.
    /// </summary>
    /// <remarks>
    /// Some processors (Skylake's kind) lower their clock for vectors of 512 bits, all other work with it: .NET then says that those are not accelerated, and
    /// AVX2 comes first. AVX-512 can still be named there.
    /// </remarks>
    public static readonly ImmutableArray<AeadKernel> Kernels =
    [
        .. Vector512.IsHardwareAccelerated ? (AeadKernel[])[new Avx512Kernel(), new Avx2Kernel()] : [new Avx2Kernel(), new Avx512Kernel()],
        new LibcryptoKernel(),
        new PortableKernel(),
    ];

    /// <summary>This process's choice, made when it is first asked for.</summary>
    public static readonly AeadChoice Current = Choose(Environment.GetEnvironmentVariable(Variable), Kernels);

    /// <summary>This process's kernel. A field that never changes, so that its calls are compiled as those of its type.</summary>
    public static readonly AeadKernel InUse = Current.Kernel;

    /// <summary>The fastest kernel that works here, or the one that is asked for.</summary>
    /// <param name="name">Of a kernel; null or empty if none is asked for.</param>
    /// <param name="kernels">To choose from, the best first. libcrypto is among them and taken on trust.</param>
    public static AeadChoice Choose(string? name, ImmutableArray<AeadKernel> kernels)
    {
        AeadKernel trusted = kernels.OfType<LibcryptoKernel>().Single();
        ImmutableArray<AeadKernel> supported = [.. kernels.Where(kernel => kernel.IsSupported)];
        var candidates = string.IsNullOrEmpty(name) ? supported : [.. supported.Where(kernel => kernel.Name == name)];
        var passedOver = ImmutableArray.CreateBuilder<string>();
        foreach (var kernel in candidates)
        {
            if (kernel == trusted || AeadSelfTest.Passes(kernel, trusted))
            {
                return new AeadChoice(kernel, passedOver.ToImmutable(), null);
            }

            passedOver.Add($"The {kernel.Name} implementation of ChaCha20-Poly1305 is not used: it failed its self-test on this machine.");
        }

        var why = !kernels.Any(kernel => kernel.Name == name) ? "there is no such implementation"
            : candidates.IsEmpty ? "this processor cannot execute it"
            : "it failed its self-test";
        var possible = supported.Except(candidates).Select(kernel => kernel.Name);
        return new AeadChoice(trusted, [], $"{Variable}={name} cannot be used: {why}. Possible on this machine: {string.Join(", ", possible)}.");
    }

    /// <summary>To be called before packets depend on the choice.</summary>
    /// <exception cref="PlatformNotSupportedException">The kernel that was asked for cannot be had, or there is no OpenSSL 3.</exception>
    public static void Require()
    {
        _ = Libcrypto.ChaCha20Poly1305; // or what is missing would be found out while the fields above are made, and told as that
        if (Current.Refusal is { } refusal)
        {
            throw new PlatformNotSupportedException(refusal);
        }
    }
}
