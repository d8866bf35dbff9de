using System.Net;
using System.Net.Sockets;

namespace WgMesh.Tests.Shared;

/// <summary>Passes connections on to a server, and breaks them as networks do.</summary>
public sealed class TcpProxy : IDisposable
{
    private readonly IPEndPoint _server;
    private readonly Socket _listener;
    private readonly Lock _gate = new();
    private readonly HashSet<Socket> _sockets = [];
    private volatile bool _isRefusing;
    private int _accepted;

    public TcpProxy(IPEndPoint server)
    {
        _server = server;
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _ = AcceptAsync();
    }

    /// <summary>Where it listens, on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>How many connections there have been, those that were refused too.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Whether new connections are ended at once.</summary>
    public bool IsRefusing
    {
        get => _isRefusing;
        set => _isRefusing = value;
    }

    /// <summary>
    /// Asked before anything is passed on to the server: true resets all connections, and new ones are refused from then on. So a client that waits
    /// for each answer before it goes on takes no step beyond the one that made it true.
    /// </summary>
    public Func<Task<bool>>? IsOver { get; set; }

    /// <summary>Resets every connection.</summary>
    public void DropConnections()
    {
        lock (_gate)
        {
            foreach (var socket in _sockets)
                Reset(socket);
            _sockets.Clear();
        }
    }

    public void Dispose()
    {
        _isRefusing = true;
        _listener.Dispose();
        DropConnections();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync();
                Interlocked.Increment(ref _accepted);
                _ = PassOnAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // disposed of
        }
    }

    private async Task PassOnAsync(Socket client)
    {
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        lock (_gate)
        {
            _sockets.UnionWith([client, server]);
        }

        try
        {
            if (!_isRefusing)
            {
                await server.ConnectAsync(_server);
                await Task.WhenAll(CopyAsync(client, server, IsOver), CopyAsync(server, client, null));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // one side ended, or both were reset
        }
        finally
        {
            lock (_gate)
            {
                _sockets.ExceptWith([client, server]);
            }

            Reset(client);
            Reset(server);
        }
    }

    private async Task CopyAsync(Socket from, Socket to, Func<Task<bool>>? isOver)
    {
        var buffer = new byte[65536];
        try
        {
            for (int read; (read = await from.ReceiveAsync(buffer)) > 0;)
            {
                if (isOver is not null && await isOver())
                {
                    _isRefusing = true;
                    DropConnections();
                    return;
                }

                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent));
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Reset(from);
            Reset(to);
        }
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // gone already
        }

        socket.Dispose();
    }
}
