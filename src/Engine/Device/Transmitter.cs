using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>The sockets that one lane sends by; a family that the host does not have is missing.</summary>
internal readonly record struct LaneSockets(UdpSocket? IPv4, UdpSocket? IPv6);

/// <summary>
/// Carries out what an outbox asks for. Datagrams of one size to one peer that follow each other leave as one run (UDP_SEGMENT), and up
/// to <see cref="UdpSendBatch.Capacity"/> runs in one call. One per thread.
/// </summary>
internal sealed class Transmitter(ProtocolCore core, OffloadSwitches offloads, TunQueue host)
{
    private readonly UdpSendBatch _scratch = new();
    private readonly UdpRun[] _runs = new UdpRun[UdpSendBatch.Capacity];
    private readonly Peer?[] _peers = new Peer?[UdpSendBatch.Capacity]; // whose run it is
    private readonly UdpRun[] _single = new UdpRun[1];
    private int _count;
    private bool _open; // whether the last run may grow: a shorter datagram ends it

    /// <summary>Sends the outbox's datagrams by these sockets, in order, tells the host what was refused, and clears it.</summary>
    public void Transmit(Outbox outbox, LaneSockets sockets)
    {
        UdpSocket? socket = null;
        foreach (ref readonly var datagram in outbox.Datagrams)
        {
            var family = datagram.To.IsIPv6 ? sockets.IPv6 : sockets.IPv4;
            if (family is null)
            {
                Failed(datagram.Peer, 1);
                continue;
            }

            if (_count > 0 && (family != socket || (_count == _runs.Length && !CanJoin(datagram, family))))
            {
                Flush(outbox.Memory, socket!);
            }

            socket = family;
            Add(datagram, family);
        }

        if (_count > 0)
        {
            Flush(outbox.Memory, socket!);
        }

        if (outbox.Refusal is { Count: > 0 } refusal)
        {
            // nobody is told when that fails too: the packet is lost like others on a congested host
            host.Write(default, refusal.Array!, [new Slice(refusal.Offset, refusal.Count)], out _);
        }

        outbox.Clear();
    }

    private bool CanJoin(in Outbox.Datagram datagram, UdpSocket socket)
    {
        if (_count == 0 || !_open || !socket.CanSegment || !offloads.Has(Offloads.UdpGso))
        {
            return false;
        }

        ref readonly var run = ref _runs[_count - 1];
        return datagram.Peer is { TakesRuns: true } peer && _peers[_count - 1] == peer
            && datagram.Length <= run.SegmentSize
            && run.Length + datagram.Length <= UdpRun.MaximumLength
            && run.Length < run.SegmentSize * UdpRun.MaximumSegments
            && datagram.TrafficClass == run.TrafficClass
            && datagram.Path == run.To;
    }

    private void Add(in Outbox.Datagram datagram, UdpSocket socket)
    {
        if (CanJoin(datagram, socket))
        {
            ref var run = ref _runs[_count - 1];
            _open = datagram.Length == run.SegmentSize;
            run = run with { Length = run.Length + datagram.Length };
            return;
        }

        _peers[_count] = datagram.Peer;
        _runs[_count++] = new UdpRun(datagram.Offset, datagram.Length, datagram.Length, datagram.Path, datagram.TrafficClass);
        _open = true;
    }

    private void Flush(byte[] memory, UdpSocket socket)
    {
        for (var at = 0; at < _count; at++)
        {
            at += socket.Send(memory, _runs.AsSpan(at, _count - at), _scratch, out var errno);
            if (at < _count)
            {
                Recover(memory, socket, _runs[at], _peers[at], errno);
            }
        }

        Array.Clear(_peers, 0, _count); // a removed peer is not kept alive by an old entry
        _count = 0;
    }

    // A run that the kernel refused: perhaps our address is gone, or the path does not take so much at once.
    private void Recover(byte[] memory, UdpSocket socket, UdpRun run, Peer? peer, int errno)
    {
        if (run.To.Local.IsKnown && errno != Errno.EAGAIN)
        {
            peer?.ForgetLocalAddress();
            run = run with { To = new UdpPath(run.To.Remote) };
            if (TrySend(memory, socket, run, out errno))
            {
                return;
            }
        }

        var segments = (run.Length + run.SegmentSize - 1) / Math.Max(1, run.SegmentSize);
        if (segments <= 1 || errno is not (Errno.EIO or Errno.EINVAL or Errno.EMSGSIZE))
        {
            Failed(peer, Math.Max(1, segments));
            return;
        }

        var sent = 0;
        for (var offset = 0; offset < run.Length; offset += run.SegmentSize)
        {
            var length = Math.Min(run.SegmentSize, run.Length - offset);
            if (TrySend(memory, socket, new UdpRun(run.Offset + offset, length, length, run.To, run.TrafficClass), out _))
            {
                sent++;
            }
            else
            {
                Failed(peer, 1);
            }
        }

        if (sent > 0)
        {
            RunsRefused(peer, errno);
        }
    }

    // EIO: the device cannot compute the checksums, nor will it. The others are about this path, most likely about its MTU.
    private void RunsRefused(Peer? peer, int errno)
    {
        offloads.CountRefusal(Offloads.UdpGso);
        if (errno == Errno.EIO)
        {
            offloads.SwitchOff(Offloads.UdpGso, Errno.Name(errno));
        }
        else if (peer is not null)
        {
            peer.TakesRuns = false;
        }
    }

    private bool TrySend(byte[] memory, UdpSocket socket, in UdpRun run, out int errno)
    {
        _single[0] = run;
        return socket.Send(memory, _single, _scratch, out errno) == 1;
    }

    private void Failed(Peer? peer, int datagrams) => (peer?.Counters.Drops ?? core.Drops).Add(DropReason.SendFailed, datagrams);
}
