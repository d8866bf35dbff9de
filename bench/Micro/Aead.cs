using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Crypto;
using WgMesh.Engine.Crypto.Kernels;

namespace WgMesh.Micro;

/// <summary>
/// ChaCha20-Poly1305 by each kernel that this processor can execute, of a small packet, a middling one and the largest that a tunnel
/// carries with the usual MTU.
/// </summary>
public unsafe class Aead
{
    private const ulong Nonce = 1;

    private readonly List<byte[]> _pinned = []; // what the pointers point to
    private AeadKernel _kernel = null!;
    private byte* _key, _packet, _sealed, _output;
    private ulong _nonce = Nonce;

    /// <summary>Names of the kernels.</summary>
    public static IEnumerable<string> Kernels => AeadChoice.Kernels.Where(kernel => kernel.IsSupported).Select(kernel => kernel.Name);

    /// <summary>Bytes of a packet.</summary>
    [Params(64, 512, 1420)]
    public int Length { get; set; }

    /// <summary>Which one computes.</summary>
    [ParamsSource(nameof(Kernels))]
    public string Kernel { get; set; } = "";

    /// <summary>One packet to seal, and one that is sealed.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _kernel = AeadChoice.Kernels.Single(kernel => kernel.Name == Kernel);
        _key = Pinned(ChaCha20Poly1305Key.KeyLength);
        _packet = Pinned(Length + ChaCha20Poly1305Key.TagLength);
        _sealed = Pinned(Length + ChaCha20Poly1305Key.TagLength);
        _output = Pinned(Length);
        _kernel.Seal(_key, 0, Nonce, _sealed, Length, _sealed, null, 0);
        if (!Open())
        {
            throw new InvalidOperationException($"{Kernel} does not open what it sealed.");
        }
    }

    /// <summary>In place, as packets are sealed.</summary>
    [Benchmark]
    public void Seal() => _kernel.Seal(_key, 0, ++_nonce, _packet, Length, _packet, null, 0);

    /// <summary>To elsewhere, so that it can be opened again and again; packets are opened in place.</summary>
    [Benchmark]
    public bool Open() => _kernel.Open(_key, 0, Nonce, _sealed, Length, _output, null, 0);

    private byte* Pinned(int length)
    {
        _pinned.Add(GC.AllocateArray<byte>(length, pinned: true));
        return (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_pinned[^1]));
    }
}
