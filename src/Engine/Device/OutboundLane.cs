using WgMesh.Engine.Linux;
using WgMesh.Engine.Linux.Interop;
using WgMesh.Engine.Offload;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Device;

/// <summary>TUN → allowed IPs → peer → session → UDP: one queue of the TUN, one thread, buffers of its own.</summary>
internal sealed class OutboundLane(ProtocolCore core, TunQueue queue, Transmitter transmitter, Func<LaneSockets> sockets)
{
    // When this much is sealed it is sent, though there be more to read: so much is in flight and in memory at once, and no more.
    private const int EnoughToSend = 128 << 10;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(VirtioHeader.Length + Messages.MaximumLength, pinned: true);
    private readonly Outbox _outbox = new();

    /// <summary>Carries packets until told to stop.</summary>
    /// <returns>False if the interface is gone.</returns>
    public bool Run(Descriptor stop)
    {
        ReadOnlySpan<Descriptor> wait = [queue.Descriptor, stop];
        while ((Poll.Wait(wait, Timeout.InfiniteTimeSpan) & 2) == 0)
        {
            if (!CarryWhatIsThere())
            {
                return false;
            }
        }

        return true;
    }

    private bool CarryWhatIsThere()
    {
        var now = Instant.Now(BootClock.Instance);
        int errno = 0, length;
        for (var left = WireGuardDevice.Budget; left > 0 && (length = queue.Read(_buffer, out errno)) > 0; left--)
        {
            Carry(_buffer.AsSpan(0, length), now);
            if (_outbox.Length >= EnoughToSend || _outbox.Refusal.Count > 0)
            {
                Transmit();
            }
        }

        Transmit();
        return errno is not (Errno.EBADFD or Errno.EBADF);
    }

    private void Carry(Span<byte> read, Instant now)
    {
        if (read.Length >= VirtioHeader.Length && SuperPacket.TryParse(VirtioHeader.Read(read), read[VirtioHeader.Length..], out var packets))
        {
            core.Send(packets, now, _outbox);
        }
        else
        {
            core.Drops.Add(DropReason.Malformed);
        }
    }

    private void Transmit() => transmitter.Transmit(_outbox, sockets());
}
