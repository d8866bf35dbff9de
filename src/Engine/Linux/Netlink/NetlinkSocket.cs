using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using WgMesh.Engine.Linux.Interop;

namespace WgMesh.Engine.Linux.Netlink;

/// <summary>
/// A conversation with the kernel over rtnetlink, in the network namespace of the thread that opens it. One request at a time; any thread
/// may ask.
/// </summary>
internal sealed class NetlinkSocket : IDisposable
{
    // the kernel fills dump datagrams up to 32 KiB, and up to the reader's buffer only if one message is longer
    private const int ReceiveLength = 64 << 10;

    // a table that keeps changing under ten dumps in a row is not going to hold still for the eleventh
    private const int DumpTries = 10;

    private readonly Lock _lock = new();
    private readonly byte[] _buffer = new byte[ReceiveLength];
    private readonly uint _portId;
    private uint _sequence;

    private NetlinkSocket(Descriptor descriptor, uint portId)
    {
        Descriptor = descriptor;
        _portId = portId;
    }

    /// <summary>Reads one message's payload; false if it is malformed or of no interest.</summary>
    internal delegate bool TryParse<T>(ReadOnlySpan<byte> payload, [MaybeNullWhen(false)] out T value);

    /// <summary>To wait for in <see cref="Poll"/>.</summary>
    internal Descriptor Descriptor { get; }

    /// <summary>Opens a socket.</summary>
    /// <exception cref="LinuxException">Out of descriptors, or no such group.</exception>
    internal static unsafe NetlinkSocket Open(params ReadOnlySpan<int> groups)
    {
        var descriptor = Descriptor.Open(
            SysSocket.Socket(SysSocket.Netlink, SysSocket.Raw | SysSocket.CloseOnExec, LinuxNetlink.RouteProtocol), "open a netlink socket");
        try
        {
            // before Linux 4.20 an option is unknown, and then its convenience is missing: error texts, errors without an echo, filters
            // (which are applied here as well)
            _ = SetOption(descriptor, LinuxNetlink.Level, LinuxNetlink.ExtendedAck, 1)
                & SetOption(descriptor, LinuxNetlink.Level, LinuxNetlink.CapAck, 1)
                & SetOption(descriptor, LinuxNetlink.Level, LinuxNetlink.StrictCheck, 1);

            var address = new LinuxNetlink.SocketAddress { Family = SysSocket.Netlink };
            var length = (uint)sizeof(LinuxNetlink.SocketAddress);
            if (SysSocket.Bind(descriptor.Number, &address, length) < 0 || SysSocket.GetName(descriptor.Number, &address, &length) < 0)
            {
                throw LinuxException.FromLastError("bind a netlink socket");
            }

            if (groups.Length > 0)
            {
                // events come in bursts; what does not fit is lost, and known to be lost. Without CAP_NET_ADMIN the default size remains.
                _ = SetOption(descriptor, SysSocket.SocketLevel, SysSocket.ReceiveBufferForce, 4 << 20);
            }

            foreach (var group in groups)
            {
                if (!SetOption(descriptor, LinuxNetlink.Level, LinuxNetlink.AddMembership, group))
                {
                    throw LinuxException.FromLastError($"join netlink group {group}");
                }
            }

            return new NetlinkSocket(descriptor, address.PortId);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>Sends a request and waits for the kernel's yes.</summary>
    /// <exception cref="LinkException">The kernel's no.</exception>
    internal void Execute(string operation, Span<byte> request) => Exchange<bool>(operation, request, 0, null, None);

    /// <summary>Sends a request that is answered by one message of a type.</summary>
    /// <exception cref="LinkException">The kernel's no, or EIO: an answer that could not be read.</exception>
    internal T Get<T>(string operation, Span<byte> request, ushort answerType, TryParse<T> parse)
    {
        var answers = new List<T>(1);
        Exchange(operation, request, answerType, answers, parse);
        return answers.Count == 1 ? answers[0] : throw new LinkException(operation, Errno.EIO, "the kernel's answer could not be read");
    }

    /// <summary>
    /// Sends a dump request and collects its answers; begins again when the table changed meanwhile, so that what is returned was true at
    /// one moment.
    /// </summary>
    /// <exception cref="LinkException">The kernel's no, or EINTR: the table never held still.</exception>
    internal List<T> Dump<T>(string operation, Span<byte> request, ushort answerType, TryParse<T> parse)
    {
        for (var attempt = 0; attempt < DumpTries; attempt++)
        {
            var answers = new List<T>();
            if (Exchange(operation, request, answerType, answers, parse))
            {
                return answers;
            }
        }

        throw new LinkException(operation, Errno.EINTR, "the table changed during each of several readings");
    }

    /// <summary>One datagram from the kernel.</summary>
    /// <returns>Its length; 0 for one that somebody else sent; -1 with <paramref name="errno"/> set, EMSGSIZE if it did not fit.</returns>
    internal unsafe int Receive(Span<byte> buffer, bool wait, out int errno)
    {
        if (!Descriptor.TryEnter())
        {
            errno = Errno.EBADF;
            return -1;
        }

        LinuxNetlink.SocketAddress from = default;
        SysSocket.MessageHeader message;
        nint count;
        fixed (byte* pointer = buffer)
        {
            var vector = new SysSocket.IoVector { Base = pointer, Length = (nuint)buffer.Length };
            do
            {
                message = new SysSocket.MessageHeader
                {
                    Name = &from, NameLength = (uint)sizeof(LinuxNetlink.SocketAddress), Vectors = &vector, VectorCount = 1,
                };
                count = SysSocket.ReceiveMessage(Descriptor.Number, &message, wait ? 0 : SysSocket.DontWait);
                errno = count < 0 ? Marshal.GetLastPInvokeError() : Errno.None;
            }
            while (errno == Errno.EINTR);
        }

        Descriptor.Exit();
        if (count >= 0 && (message.Flags & SysSocket.Truncated) != 0)
        {
            errno = Errno.EMSGSIZE;
            return -1;
        }

        return from.PortId == 0 ? (int)count : 0; // any process can send to a netlink socket; the kernel's port is 0
    }

    public void Dispose() => Descriptor.Dispose();

    /// <summary>Sends the request and reads up to its end: the acknowledgement, or the last message of a dump.</summary>
    /// <returns>False if a dump was interrupted by a change.</returns>
    private bool Exchange<T>(string operation, Span<byte> request, ushort answerType, List<T>? answers, TryParse<T> parse)
    {
        lock (_lock)
        {
            var sequence = ++_sequence;
            MemoryMarshal.Write(request[8..], sequence);
            if (Descriptor.Write(request, out var errno) < 0)
            {
                throw new LinkException(operation, errno);
            }

            var consistent = true;
            while (true)
            {
                var count = Receive(_buffer, wait: true, out errno);
                if (count < 0)
                {
                    throw new LinkException(operation, errno);
                }

                ReadOnlySpan<byte> rest = _buffer.AsSpan(0, count);
                while (NetlinkReader.TryReadMessage(ref rest, out var header, out var payload))
                {
                    if (header.Sequence != sequence || header.PortId != _portId)
                    {
                        continue; // left over from a request that ended in an exception
                    }

                    consistent &= (header.Flags & LinuxNetlink.DumpInterrupted) == 0;
                    if (header.Type is LinuxNetlink.Error or LinuxNetlink.Done)
                    {
                        var (error, text) = NetlinkError.Read(header, payload);
                        return error == 0 ? consistent : throw new LinkException(operation, error, text);
                    }

                    if (header.Type == answerType && parse(payload, out var answer))
                    {
                        answers?.Add(answer);
                    }
                }
            }
        }
    }

    private static bool None(ReadOnlySpan<byte> payload, out bool value) => value = false;

    private static unsafe bool SetOption(Descriptor descriptor, int level, int option, int value) =>
        SysSocket.SetOption(descriptor.Number, level, option, &value, sizeof(int)) == 0;
}
