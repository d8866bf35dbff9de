using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>
/// UDP → session by index → open in place → replay, source and congestion checks → TUN: one socket, one thread, buffers of its own.
/// Handshakes go to the control thread, so that neither waits for the other.
/// </summary>
internal sealed class InboundLane(
    ProtocolCore core, UdpSocket socket, LaneSockets sockets, TunQueue queue, Transmitter transmitter, OffloadSwitches offloads, HandshakeQueue handshakes, Action wake)
{
    // Packets that are gathered before they are written to the TUN.
    private const int MostPackets = 1024;

    private readonly UdpReceiveBatch _batch = new();
    private readonly Coalescer _coalescer = new(MostPackets);
    private readonly Outbox _outbox = new();
    private int _gathered;

    /// <summary>Carries packets until one of the two is signalled.</summary>
    public void Run(Descriptor stop, Descriptor unbound)
    {
        ReadOnlySpan<Descriptor> wait = [socket.Descriptor, stop, unbound];
        while ((Poll.Wait(wait, Timeout.InfiniteTimeSpan) & 6) == 0)
        {
            if (!CarryWhatIsThere())
            {
                return;
            }
        }
    }

    private bool CarryWhatIsThere()
    {
        // An errno other than "nothing there" is an ICMP error of an earlier send.
        for (int left = WireGuardDevice.Budget / 8, count, errno;
            left > 0 && ((count = socket.Receive(_batch, out errno)) >= 0 || errno != Errno.EAGAIN);
            left--)
        {
            if (count >= 0)
            {
                CarryBatch(Instant.Now(BootClock.Instance));
            }
            else if (errno == Errno.EBADF)
            {
                return false;
            }
        }

        return true;
    }

    private void CarryBatch(Instant now)
    {
        _coalescer.Tcp = offloads.Has(Offloads.TunTso);
        _coalescer.Udp = offloads.Has(Offloads.TunUso);
        for (var i = 0; i < _batch.Count; i++)
        {
            if (_batch.Truncated(i))
            {
                core.Drops.Add(DropReason.Malformed); // longer than any message of ours
                continue;
            }

            var (offset, end, size, from) = (_batch.Offset(i), _batch.Offset(i) + _batch.Length(i), _batch.SegmentSize(i), _batch.From(i));
            do
            {
                var length = Math.Min(size, end - offset);
                Carry(offset, length, from, _batch.TrafficClass(i), now);
                offset += size;
            }
            while (offset < end);
        }

        Deliver();
    }

    private void Carry(int offset, int length, in UdpPath from, byte trafficClass, Instant now)
    {
        var datagram = _batch.Buffer.AsSpan(offset, length);
        var type = Messages.Classify(datagram);
        if (type == MessageType.Transport)
        {
            core.ReceiveTransport(datagram, from, now, _outbox, out var peer, out var packetLength);
            if (_outbox.Count > 0)
            {
                transmitter.Transmit(_outbox, sockets); // packets that waited for this session go before any that come after
            }

            if (packetLength > 0)
            {
                Gather(peer!, offset + Messages.TransportHeaderLength, packetLength, trafficClass);
            }
        }
        else if (type == MessageType.None)
        {
            core.Drops.Add(DropReason.Malformed);
        }
        else if (handshakes.TryEnqueue(type, datagram, from))
        {
            wake();
        }
        else
        {
            core.Drops.Add(DropReason.RateLimited);
        }
    }

    private void Gather(Peer peer, int offset, int length, byte trafficClass)
    {
        if (!Ecn.TryCombine(_batch.Buffer.AsSpan(offset, length), trafficClass))
        {
            peer.Counters.Drops.Add(DropReason.IllegalCongestionMark);
            return;
        }

        if (_gathered == MostPackets)
        {
            Deliver();
        }

        _coalescer.Add(_batch.Buffer, offset, length);
        _gathered++;
    }

    private void Deliver()
    {
        if (_gathered == 0)
        {
            return;
        }

        for (var group = 0; group < _coalescer.Count; group++)
        {
            var header = _coalescer.Finish(group);
            if (queue.Write(header, _batch.Buffer, _coalescer.Slices(group), out var errno) < 0)
            {
                DeliverOneByOne(group, header, errno);
            }
        }

        _coalescer.Clear();
        _gathered = 0;
    }

    // The kernel refused a super-packet; if it takes the packets singly, that is what it cannot do.
    private void DeliverOneByOne(int group, VirtioHeader refused, int errno)
    {
        if (_coalescer.Packets(group) == 1 || errno == Errno.EIO) // EIO: the interface is down
        {
            core.Drops.Add(DropReason.InterfaceFailed, _coalescer.Packets(group));
            return;
        }

        _coalescer.Restore(group);
        var taken = 0;
        foreach (var packet in _coalescer.Singles(group))
        {
            if (queue.Write(default, _batch.Buffer, [packet], out _) >= 0)
            {
                taken++;
            }
            else
            {
                core.Drops.Add(DropReason.InterfaceFailed);
            }
        }

        if (taken > 0 && errno is Errno.EINVAL or Errno.EMSGSIZE)
        {
            var offload = refused.Gso == VirtioGso.UdpL4 ? Offloads.TunUso : Offloads.TunTso;
            offloads.CountRefusal(offload);
            offloads.SwitchOff(offload, Errno.Name(errno));
        }
    }
}
