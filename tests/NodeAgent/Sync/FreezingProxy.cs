using System.Net;
using System.Net.Sockets;

namespace WgMesh.NodeAgent.Tests.Sync;

/// <summary>Passes TCP on, until it goes on taking bytes and passes none: what a host looks like that lost its power behind a router.</summary>
internal sealed class FreezingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _target;
    private volatile bool _frozen;

    internal FreezingProxy(int target)
    {
        _target = target;
        _listener.Start();
        _ = AcceptAsync();
    }

    internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    internal void Freeze() => _frozen = true;

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stop.Token);
                _ = PassAsync(client, _stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }

    private async Task PassAsync(Socket client, CancellationToken stop)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (client)
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _target, stop);
                await Task.WhenAny(CopyAsync(client, server, stop), CopyAsync(server, client, stop));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // either side is gone
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to, CancellationToken stop)
    {
        var buffer = new byte[16384];
        while (await from.ReceiveAsync(buffer, stop) is > 0 and var length)
        {
            if (!_frozen)
            {
                await to.SendAsync(buffer.AsMemory(0, length), stop);
            }
        }
    }
}
