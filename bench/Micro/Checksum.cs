using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Offload;

namespace WgMesh.Micro;

/// <summary>The Internet checksum of one packet.</summary>
public class Checksum
{
    private readonly byte[] _packet = new byte[1420];

    /// <summary>Bytes that are no zeros.</summary>
    [GlobalSetup]
    public void Setup() => new Random(1).NextBytes(_packet);

    /// <summary>1,420 bytes.</summary>
    [Benchmark]
    public ushort Full() => InternetChecksum.Complete(InternetChecksum.Add(0, _packet));

    /// <summary>An IPv4 header.</summary>
    [Benchmark]
    public ushort Header() => InternetChecksum.Complete(InternetChecksum.Add(0, _packet.AsSpan(0, 20)));
}
