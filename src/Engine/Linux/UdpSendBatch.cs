using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux;

/// <summary>
/// What one thread needs to hand many datagrams to the kernel in one call: message headers, addresses, control messages. Made once;
/// sockets of both families may share it, one call at a time.
/// </summary>
internal sealed unsafe class UdpSendBatch
{
    /// <summary>Runs in one system call.</summary>
    internal const int Capacity = 64;

    // Pinned, so that the pointers from one to the other, set once, stay true for as long as this object lives.
    private readonly SysSocket.MultiMessage[] _messages = GC.AllocateArray<SysSocket.MultiMessage>(Capacity, pinned: true);
    private readonly SysSocket.IoVector[] _vectors = GC.AllocateArray<SysSocket.IoVector>(Capacity, pinned: true);
    private readonly NetinetIn.SocketAddress[] _addresses = GC.AllocateArray<NetinetIn.SocketAddress>(Capacity, pinned: true);
    private readonly byte[] _controls = GC.AllocateArray<byte>(Capacity * UdpControl.Room, pinned: true);

    internal UdpSendBatch()
    {
        for (var i = 0; i < Capacity; i++)
        {
            ref var header = ref _messages[i].Header;
            header.Name = Unsafe.AsPointer(ref _addresses[i]);
            header.Vectors = (SysSocket.IoVector*)Unsafe.AsPointer(ref _vectors[i]);
            header.VectorCount = 1;
        }
    }

    /// <summary>The first of the headers, in pinned memory.</summary>
    internal SysSocket.MultiMessage* Messages => (SysSocket.MultiMessage*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_messages));

    /// <summary>Makes a header say what a run is.</summary>
    /// <param name="index">Which header.</param>
    /// <param name="memory">Pinned by the caller until the call is over; the run lies within it.</param>
    internal void Set(int index, byte* memory, in UdpRun run)
    {
        // whole, whatever the last one was: an address of one family leaves nothing behind in the other's
        _addresses[index] = NetinetIn.SocketAddress.From(run.To.Remote);
        _vectors[index] = new SysSocket.IoVector { Base = memory + run.Offset, Length = (nuint)run.Length };
        var control = _controls.AsSpan(index * UdpControl.Room, UdpControl.Room);
        var used = UdpControl.Write(control, run);
        ref var header = ref _messages[index].Header;
        header.NameLength = _addresses[index].Length;
        header.Control = used == 0 ? null : Unsafe.AsPointer(ref MemoryMarshal.GetReference(control));
        header.ControlLength = (nuint)used;
    }
}
