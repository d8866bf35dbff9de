using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Crypto;

namespace WgMesh.Micro;

/// <summary>ChaCha20-Poly1305 over a keepalive's neighbour, a small packet, and a full one (1,420 bytes is what a tunnel carries at most).</summary>
public class Aead
{
    private const ulong Counter = 1;

    private byte[] _packet = [], _sealed = [], _output = [];
    private ulong _counter = Counter;

    /// <summary>Bytes of a packet.</summary>
    [Params(64, 512, 1420)]
    public int Length { get; set; }

    /// <summary>What computes.</summary>
    [ParamsSource(nameof(Kernels))]
    public AeadImplementation Kernel { get; set; } = null!;

    /// <summary>What there is to compute with.</summary>
    public static IEnumerable<AeadImplementation> Kernels => AeadImplementation.All;

    /// <summary>One packet of each kind.</summary>
    [GlobalSetup]
    public void Setup()
    {
        (_packet, _sealed, _output) = (Buffer(), Buffer(), Buffer());
        Kernel.Seal(Counter, _sealed, Length);
        if (!Kernel.Open(Counter, _sealed, Length, _output))
        {
            throw new InvalidOperationException($"{Kernel} does not open what it sealed.");
        }

        byte[] Buffer() => GC.AllocateArray<byte>(Length + ChaCha20Poly1305Key.TagLength, pinned: true);
    }

    /// <summary>In place, as packets are sealed.</summary>
    [Benchmark]
    public void Seal() => Kernel.Seal(++_counter, _packet, Length);

    /// <summary>To elsewhere, so that it can be opened again and again; packets are opened in place.</summary>
    [Benchmark]
    public bool Open() => Kernel.Open(Counter, _sealed, Length, _output);
}
