using BenchmarkDotNet.Attributes;
using WgMesh.Engine.Offload;

namespace WgMesh.Micro;

/// <summary>Packets of 1,420 bytes cut from what the TUN gives and gathered into it again, per packet, each checksum made or verified.</summary>
public class Coalescing
{
    private const int MostFlows = 8;
    private const int Packets = MostFlows * Segments.Count;

    private readonly Coalescer _coalescer = new(Packets);
    private readonly byte[] _buffer = new byte[Packets * Segments.Length];
    private Segments[] _flows = [];

    /// <summary>TCP or UDP.</summary>
    [Params("TCP", "UDP")]
    public string Protocol { get; set; } = "";

    /// <summary>How many flows there are, whose packets take turns.</summary>
    [Params(1, MostFlows)]
    public int Flows { get; set; }

    /// <summary>Packets one by one, in a buffer as received ones are.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _flows = [.. Enumerable.Range(0, Flows).Select(flow => new Segments(Protocol == "TCP", (ushort)(40_000 + flow)))];
        for (var turn = 0; turn < MostFlows / Flows; turn++)
        {
            for (var flow = 0; flow < Flows; flow++)
            {
                var packets = _flows[flow].Parse();
                for (var i = 0; i < Segments.Count; i++)
                {
                    packets.CopyTo(i, Slot((turn * Flows * Segments.Count) + (i * Flows) + flow));
                }
            }
        }
    }

    /// <summary>From one packet to many.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public void Cut()
    {
        for (var i = 0; i < MostFlows; i++)
        {
            var packets = _flows[i % Flows].Parse();
            for (var segment = 0; segment < Segments.Count; segment++)
            {
                packets.CopyTo(segment, Slot((i * Segments.Count) + segment));
            }
        }
    }

    /// <summary>From many packets to as few as there can be.</summary>
    [Benchmark(OperationsPerInvoke = Packets)]
    public int Gather()
    {
        for (var i = 0; i < Packets; i++)
        {
            _coalescer.Add(_buffer, i * Segments.Length, Segments.Length);
        }

        var slices = 0;
        for (var group = 0; group < _coalescer.Count; group++)
        {
            _coalescer.Finish(group);
            slices += _coalescer.Slices(group).Length;
            _coalescer.Restore(group); // for the next round, and not on the data path
        }

        var groups = _coalescer.Count;
        _coalescer.Clear();
        return slices == Packets && groups == MostFlows ? groups : throw new InvalidOperationException($"{Packets} packets became {groups}.");
    }

    private Span<byte> Slot(int packet) => _buffer.AsSpan(packet * Segments.Length, Segments.Length);
}
