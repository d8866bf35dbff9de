using System.Collections.Concurrent;
using System.Net.Sockets;
using WgMesh.Engine.Device;

namespace WgMesh.Engine.Uapi;

/// <summary>
/// The socket through which <c>wg</c>, <c>wg-quick</c> and every other WireGuard tool read and change a device. Each client has a task of
/// its own, so a slow one keeps nobody waiting.
/// </summary>
public sealed class UapiServer : IAsyncDisposable
{
    /// <summary>Where the tools look for sockets.</summary>
    public const string DefaultDirectory = "/var/run/wireguard";

    private const int LongestName = 15; // IFNAMSIZ without its zero

    private readonly Socket _listener;
    private readonly UapiSocketWatch _watch;
    private readonly Func<DeviceUpdate, DeviceError?> _apply;
    private readonly Func<DeviceSnapshot> _snapshot;
    private readonly Action<string>? _report;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly Task _accepting;
    private int _disposed;

    private UapiServer(
        string path,
        Socket listener,
        UapiSocketWatch watch,
        Func<DeviceUpdate, DeviceError?> apply,
        Func<DeviceSnapshot> snapshot,
        Action<string>? report)
    {
        SocketPath = path;
        _listener = listener;
        _watch = watch;
        _apply = apply;
        _snapshot = snapshot;
        _report = report;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>The socket's path.</summary>
    public string SocketPath { get; }

    /// <summary>
    /// Completes when the socket has been deleted or replaced from outside, which is how users and <c>wg-quick</c> end a userspace device.
    /// Does not complete because of <see cref="DisposeAsync"/>.
    /// </summary>
    public Task SocketRemoved => _watch.Removed;

    /// <summary>Opens the socket and serves it until disposed of.</summary>
    /// <param name="name">Name of the interface, at most 15 bytes.</param>
    /// <param name="apply">
    /// Carries out a change, whole or not at all, and answers null, or why not. Called by several threads; owns the keys in the update.
    /// </param>
    /// <param name="snapshot">Reads the device. Called by several threads.</param>
    /// <param name="report">Told in a sentence, without secrets, what was refused and why; for a log. Called by several threads.</param>
    /// <param name="directory">Where the socket is made; made itself, for root alone, if absent.</param>
    /// <exception cref="ArgumentException">The name is not one that an interface can have.</exception>
    /// <exception cref="IOException">The socket belongs to a living process, something is in its place, or it cannot be made.</exception>
    public static UapiServer Start(
        string name,
        Func<DeviceUpdate, DeviceError?> apply,
        Func<DeviceSnapshot> snapshot,
        Action<string>? report = null,
        string directory = DefaultDirectory)
    {
        if (name.Length is 0 or > LongestName || name is "." or ".."
            || name.Any(c => c is '/' or ':' || char.IsWhiteSpace(c) || !char.IsAscii(c)))
        {
            throw new ArgumentException(
                $"An interface's name has 1 to {LongestName} ASCII characters without spaces, colons and slashes.", nameof(name));
        }

        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = System.IO.Path.Combine(directory, $"{name}.sock");
        var listener = Listen(path);
        return new UapiServer(path, listener, new UapiSocketWatch(path), apply, snapshot, report);
    }

    /// <summary>Removes the socket, ends all connections, and waits for the requests in progress.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _watch.Dispose();
        if (!SocketRemoved.IsCompleted)
        {
            File.Delete(SocketPath); // else it is somebody else's by now
        }

        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        await Task.WhenAll(_connections.Keys);
        _stop.Dispose();
    }

    private static Socket Listen(string path)
    {
        RequireFree(path);
        // It gets its name only when nobody but root may connect and somebody listens: wg deletes sockets that refuse connections. That
        // also replaces the socket of a process that died.
        var making = $"{path}.{Environment.ProcessId}";
        File.Delete(making);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(making));
            File.SetUnixFileMode(making, UnixFileMode.UserRead | UnixFileMode.UserWrite); // none can connect before Listen
            listener.Listen(128);
            File.Move(making, path, overwrite: true);
            return listener;
        }
        catch (Exception e)
        {
            listener.Dispose(); // deletes the file it was bound to
            if (e is SocketException)
            {
                throw new IOException($"The socket {path} cannot be made: {e.Message}", e);
            }

            throw;
        }
    }

    private static void RequireFree(string path)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return; // left by a process that is gone
        }
        catch (SocketException e) when (e.SocketErrorCode != SocketError.WouldBlock)
        {
            throw new IOException($"{path} is in the way: it cannot be replaced ({e.Message}).", e);
        }
        catch (SocketException)
        {
            // somebody lives there and is too busy to answer
        }

        throw new IOException($"Another process serves {path}: the interface exists already. End that process first.");
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptAsync(_stop.Token);
                Serve(client);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e)
            {
                // out of file descriptors, say: the ones who are connected may hang up
                _report?.Invoke($"No connection can be accepted: {e.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(100), _stop.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
            }
        }
    }

    private void Serve(Socket client)
    {
        var connection = Task.Run(() => new UapiConnection(client, _apply, _snapshot, _report).RunAsync(_stop.Token));
        _connections[connection] = true;
        connection.ContinueWith(ended => _connections.TryRemove(ended, out _), TaskScheduler.Default);
    }
}
