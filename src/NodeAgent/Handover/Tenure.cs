using System.Buffers.Binary;
using System.Net.Sockets;

namespace WgMesh.NodeAgent.Handover;

/// <summary>
/// The time in which the data plane of the node is this process's. It can be asked for it through a socket in the run folder, which only
/// root may enter: whoever connects and says when it was started first, asks. One that is not newer gets a byte for a no. Else it finds the
/// connection ended as soon as the data plane is free, and ends it from its side when it has taken it.
/// </summary>
internal sealed class Tenure : IAsyncDisposable
{
    internal const string SocketName = "agent.sock";

    /// <summary>When the asking agent was started first: ticks of UTC, little-endian.</summary>
    internal const int RequestLength = sizeof(long);

    // whoever asked and does not take it after all has had its time, and so has one that connects and does not ask
    private static readonly TimeSpan TimeToTake = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TimeToAsk = TimeSpan.FromSeconds(10);

    private readonly AgentLock _lock;
    private readonly DateTimeOffset _started;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<Socket> _askers = [];
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    private Tenure(AgentLock @lock, DateTimeOffset started, string socket)
    {
        (_lock, _started) = (@lock, started);
        // of a process that is gone: whoever has the lock is the only one that listens
        File.Delete(socket);
        _listener.Bind(new UnixDomainSocketEndPoint(socket));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    /// <summary>Completes when a newer agent of this node asks for the data plane.</summary>
    internal Task Asked => _asked.Task;

    /// <summary>Whether this is to leave nothing in the run folder when it ends.</summary>
    internal bool LeaveNothing { get; set; }

    /// <summary>Takes the data plane over, if nobody has it.</summary>
    /// <param name="runFolder">Root's alone.</param>
    /// <param name="started">When this agent was started for the first time.</param>
    /// <param name="make">As <see cref="AgentLock.TryTake"/> has it.</param>
    /// <returns>Null: another process has it, or the node was released.</returns>
    internal static Tenure? TryBegin(string runFolder, DateTimeOffset started, bool make)
    {
        if (AgentLock.TryTake(runFolder, make) is not { } taken)
        {
            return null;
        }

        try
        {
            return new Tenure(taken, started, Path.Combine(runFolder, SocketName));
        }
        catch (SocketException e)
        {
            taken.Dispose();
            throw new AgentException($"--run-dir: the socket {Path.Combine(runFolder, SocketName)} cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Lets go of the data plane. Whoever asked for it has taken it when this is over.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose(); // with its file, before another one's can be there
        if (LeaveNothing)
        {
            _lock.Delete();
        }

        _lock.Dispose();
        using var late = new CancellationTokenSource(TimeToTake);
        await Task.WhenAll(_askers.Select(asker => LetTakeAsync(asker, late.Token)));
        _stop.Dispose();
    }

    private static async Task LetTakeAsync(Socket asker, CancellationToken late)
    {
        using (asker)
        {
            try
            {
                asker.Shutdown(SocketShutdown.Send);
                await asker.ReceiveAsync(new byte[1], late);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // it is gone, or it is late
            }
        }
    }

    // what is no request, or comes too late, is none
    private async Task<bool> IsNewerAsync(Socket asker)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        late.CancelAfter(TimeToAsk);
        try
        {
            var request = new byte[RequestLength];
            for (var length = 0; length < request.Length;)
            {
                var count = await asker.ReceiveAsync(request.AsMemory(length), late.Token);
                if (count == 0)
                {
                    return false;
                }

                length += count;
            }

            if (BinaryPrimitives.ReadInt64LittleEndian(request) > _started.UtcTicks)
            {
                return true;
            }

            await asker.SendAsync(new byte[1], late.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // it is gone, or late
        }

        return false;
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var asker = await _listener.AcceptAsync(_stop.Token);
                if (await IsNewerAsync(asker))
                {
                    _askers.Add(asker);
                    _asked.TrySetResult();
                }
                else
                {
                    asker.Dispose();
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // out of file descriptors, say: there may be some again
                await Task.Delay(TimeSpan.FromMilliseconds(100), _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
