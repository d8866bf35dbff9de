using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// One thread's buffers for receiving: what <see cref="UdpSocket.Receive"/> got last, each message a datagram or, with UDP_GRO, a run of
/// datagrams of one size that follow each other without gaps. All of it lies in one array, so that packets of several messages can be
/// written on from where they are.
/// </summary>
internal sealed unsafe class UdpReceiveBatch
{
    /// <summary>Messages in one system call: with 64 datagrams in each of them at most, a thousand.</summary>
    internal const int Capacity = 16;

    /// <summary>Room for each message: more than the longest datagram, or run of them, that there can be.</summary>
    internal const int SlotLength = 64 << 10;

    // Pinned, so that the pointers from one to the other, set once, stay true for as long as this object lives.
    private readonly SysSocket.MultiMessage[] _messages = GC.AllocateArray<SysSocket.MultiMessage>(Capacity, pinned: true);
    private readonly SysSocket.IoVector[] _vectors = GC.AllocateArray<SysSocket.IoVector>(Capacity, pinned: true);
    private readonly NetinetIn.SocketAddress[] _addresses = GC.AllocateArray<NetinetIn.SocketAddress>(Capacity, pinned: true);
    private readonly byte[] _controls = GC.AllocateArray<byte>(Capacity * UdpControl.Room, pinned: true);
    private readonly Received[] _received = new Received[Capacity];
    private readonly int _slotLength;

    /// <summary>Makes the buffers; pages that nothing was received into cost no memory.</summary>
    /// <param name="slotLength">Room for each message, less only where short datagrams are expected: what is longer is cut off.</param>
    internal UdpReceiveBatch(int slotLength = SlotLength)
    {
        _slotLength = slotLength;
        Buffer = GC.AllocateUninitializedArray<byte>(Capacity * slotLength, pinned: true);
        for (var i = 0; i < Capacity; i++)
        {
            _vectors[i] = new SysSocket.IoVector { Base = Unsafe.AsPointer(ref Buffer[i * slotLength]), Length = (nuint)slotLength };
            ref var header = ref _messages[i].Header;
            header.Name = Unsafe.AsPointer(ref _addresses[i]);
            header.Vectors = (SysSocket.IoVector*)Unsafe.AsPointer(ref _vectors[i]);
            header.VectorCount = 1;
            header.Control = Unsafe.AsPointer(ref _controls[i * UdpControl.Room]);
        }

        Reset(Capacity);
    }

    /// <summary>What all messages lie in, until the next call.</summary>
    internal byte[] Buffer { get; }

    /// <summary>How many messages there are.</summary>
    internal int Count { get; private set; }

    /// <summary>The first of the headers, in pinned memory.</summary>
    internal SysSocket.MultiMessage* Messages => (SysSocket.MultiMessage*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_messages));

    /// <summary>Where in <see cref="Buffer"/> a message starts.</summary>
    internal int Offset(int index) => index * _slotLength;

    /// <summary>Bytes of a message, those of all its datagrams.</summary>
    internal int Length(int index) => _received[index].Length;

    /// <summary>Bytes of each of its datagrams, but the last, which may be shorter; the message's length if it is only one.</summary>
    internal int SegmentSize(int index) => _received[index].SegmentSize;

    /// <summary>Who sent it, and to which of our addresses.</summary>
    internal ref readonly UdpPath From(int index) => ref _received[index].From;

    /// <summary>DSCP and ECN of the outer IP header.</summary>
    internal byte TrafficClass(int index) => _received[index].TrafficClass;

    /// <summary>Whether it was longer than its room, so that its end is missing.</summary>
    internal bool Truncated(int index) => _received[index].Truncated;

    /// <summary>Forgets what was received: the kernel takes room from the headers, and writes over it how much it used.</summary>
    internal void Reset()
    {
        Reset(Count);
        Count = 0;
    }

    /// <summary>Reads what the kernel wrote into the headers.</summary>
    internal void Take(int count)
    {
        Count = count;
        for (var i = 0; i < count; i++)
        {
            ref readonly var message = ref _messages[i];
            var length = (int)message.Length;
            var local = default(LocalAddress);
            byte trafficClass = 0;
            var segmentSize = length;
            UdpControl.Read(
                _controls.AsSpan(i * UdpControl.Room, Math.Min(UdpControl.Room, (int)message.Header.ControlLength)),
                ref local,
                ref trafficClass,
                ref segmentSize);
            _received[i] = new Received
            {
                From = new UdpPath(_addresses[i].ToEndpoint(), local),
                Length = length,
                SegmentSize = Math.Min(segmentSize, length),
                TrafficClass = trafficClass,
                Truncated = (message.Header.Flags & SysSocket.Truncated) != 0,
            };
        }
    }

    private void Reset(int count)
    {
        for (var i = 0; i < count; i++)
        {
            ref var header = ref _messages[i].Header;
            header.NameLength = (uint)sizeof(NetinetIn.SocketAddress);
            header.ControlLength = UdpControl.Room;
            header.Flags = 0;
        }
    }

    private struct Received
    {
        internal UdpPath From;
        internal int Length;
        internal int SegmentSize;
        internal byte TrafficClass;
        internal bool Truncated;
    }
}
