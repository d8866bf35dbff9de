using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Protocol;

namespace WgMesh.Micro;

/// <summary>The replay window, per packet.</summary>
public class Replay
{
    private const int Packets = 1024;

    private readonly ReplayWindow _window = new();
    private ulong _next;

    /// <summary>Packets as they were sent.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public bool InOrder()
    {
        var all = true;
        for (ulong i = 0; i < Packets; i++)
        {
            all &= _window.TryAccept(_next + i);
        }

        _next += Packets;
        return all;
    }

    /// <summary>The later half of each 128 first.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public bool OutOfOrder()
    {
        var all = true;
        for (ulong i = 0; i < Packets; i++)
        {
            all &= _window.TryAccept(_next + (i ^ 64));
        }

        _next += Packets;
        return all;
    }

    /// <summary>All of it was seen.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public bool Replayed()
    {
        var any = false;
        for (ulong i = 0; i < Packets; i++)
        {
            any |= _window.TryAccept(i);
        }

        return any;
    }
}
