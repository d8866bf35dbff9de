using System.Buffers.Binary;
using WgMesh.Engine.Protocol;
using WgMesh.Tests.Shared;

namespace WgMesh.Mesh.Tests;

/// <summary>A network in memory that loses nothing, and a clock that moves when the test says so. Safe to be used by the agents' threads.</summary>
internal sealed class Wire(ManualTime time)
{
    private readonly Queue<(Engine.Endpoint From, Engine.Endpoint To, byte[] Bytes)> _frames = new();
    private readonly List<CoreDataPlane> _planes = [];
    private readonly Dictionary<ulong, bool> _packets = []; // whether it has arrived
    private ulong _next;

    /// <summary>Whoever touches a core holds it.</summary>
    public Lock Gate { get; } = new();

    public Instant Now => Instant.Now(time);

    /// <summary>Packets that were sent and have not arrived.</summary>
    public int Missing
    {
        get
        {
            lock (Gate)
            {
                return _packets.Values.Count(arrived => !arrived);
            }
        }
    }

    public void Plug(CoreDataPlane plane)
    {
        lock (Gate)
        {
            _planes.RemoveAll(other => other.Address == plane.Address);
            _planes.Add(plane);
        }
    }

    public void Carry(Engine.Endpoint from, Engine.Endpoint to, byte[] bytes) => _frames.Enqueue((from, to, bytes));

    public void Arrived(ReadOnlySpan<byte> packet) => _packets[BinaryPrimitives.ReadUInt64BigEndian(packet[20..])] = true;

    /// <summary>Some milliseconds pass, with a packet on each of these links and all that comes of it.</summary>
    public void Step(IEnumerable<(CoreDataPlane From, CoreDataPlane To)> links)
    {
        // Few enough that a busy machine, on which an agent's news may take seconds of true time, does not let a session's 180 s pass
        // meanwhile. Not under the lock: timers of the agents call back.
        time.Advance(TimeSpan.FromMilliseconds(30));
        lock (Gate)
        {
            foreach (var plane in _planes)
            {
                plane.Advance();
            }

            foreach (var (from, to) in links)
            {
                _packets[_next] = false;
                from.Send(Packet(from.PodAddress, to.PodAddress, _next++));
            }

            Deliver();
        }
    }

    public void Deliver()
    {
        while (_frames.TryDequeue(out var frame))
        {
            _planes.Find(plane => plane.Address == frame.To)?.Receive(frame.Bytes, frame.From);
        }
    }

    private static byte[] Packet(uint source, uint destination, ulong number)
    {
        var packet = new byte[28];
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(12), source);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(16), destination);
        BinaryPrimitives.WriteUInt64BigEndian(packet.AsSpan(20), number);
        return packet;
    }
}
