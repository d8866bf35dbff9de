using System.Collections.Concurrent;
using WgMesh.Engine.Linux;
using WgMesh.Engine.Offload;

namespace WgMesh.Engine.Tests.Linux;

/// <summary>
/// Carries packets between two TUNs as they are, super-packets as well: what the kernel gives on one side is what it takes on the other.
/// Each queue is carried by a thread to the queue of the same number.
/// </summary>
internal sealed class VirtualWire : IDisposable
{
    private readonly EventFd _stop = new();
    private readonly List<Thread> _threads = [];

    public VirtualWire(TunDevice left, TunDevice right)
    {
        for (var i = 0; i < left.Queues.Count; i++)
        {
            Start(left.Queues[i], right.Queues[i], i);
            Start(right.Queues[i], left.Queues[i], i);
        }
    }

    /// <summary>Packets carried, with the number of their queue.</summary>
    public ConcurrentQueue<(VirtioHeader Header, int Length, int Queue)> Carried { get; } = [];

    /// <summary>Errors of writing.</summary>
    public ConcurrentQueue<int> Refused { get; } = [];

    public void Dispose()
    {
        _stop.Signal();
        _threads.ForEach(thread => thread.Join());
        _stop.Dispose();
    }

    private void Start(TunQueue from, TunQueue to, int number)
    {
        var thread = new Thread(() => Carry(from, to, number)) { IsBackground = true };
        _threads.Add(thread);
        thread.Start();
    }

    private void Carry(TunQueue from, TunQueue to, int number)
    {
        var buffer = new byte[VirtioHeader.Length + 65_535];
        while ((Poll.Wait([from.Descriptor, _stop.Descriptor], Timeout.InfiniteTimeSpan) & 2) == 0)
        {
            int length;
            while ((length = from.Read(buffer, out _)) > 0)
            {
                var header = VirtioHeader.Read(buffer);
                var packet = length - VirtioHeader.Length;
                Carried.Enqueue((header, packet, number));

                // in two pieces, as a head and what was gathered behind it
                var head = Math.Min(packet, 100);
                Slice[] slices = [new(VirtioHeader.Length, head), new(VirtioHeader.Length + head, packet - head)];
                if (to.Write(header, buffer, slices, out var errno) != length)
                {
                    Refused.Enqueue(errno);
                }
            }
        }
    }
}
