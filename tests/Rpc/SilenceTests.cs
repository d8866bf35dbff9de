using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;

namespace WgMesh.Rpc.Tests;

public class SilenceTests
{
    /// <summary>No silence by intention is taken for one, however slow the machine.</summary>
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(8);

    [Fact]
    public async Task A_client_whose_server_falls_silent_finds_out_by_pings()
    {
        await using var server = await EchoServer.StartAsync();
        using var relay = new Relay(server.Address.Port);
        using var channel = relay.Channel(pings: true);
        using var call = new Echo.EchoClient(channel).Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest());
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        relay.FallSilent();
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
    }

    [Fact]
    public async Task A_server_whose_client_falls_silent_finds_out_by_Kestrels_pings()
    {
        await using var server = await EchoServer.StartAsync(limits: limits =>
        {
            limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(1);
            limits.Http2.KeepAlivePingTimeout = PingTimeout;
        });
        using var relay = new Relay(server.Address.Port);
        using var channel = relay.Channel(pings: false);
        using var call = new Echo.EchoClient(channel).Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest());
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        relay.FallSilent();
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
        Assert.IsAssignableFrom<OperationCanceledException>(await server.Observations.Returned.Task.WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_connection_that_breaks_is_UNAVAILABLE_and_the_next_call_makes_a_new_one()
    {
        await using var server = await EchoServer.StartAsync();
        using var relay = new Relay(server.Address.Port);
        using var channel = relay.Channel(pings: false);
        var client = new Echo.EchoClient(channel);
        using var call = client.Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest());
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        relay.Break();
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
        Assert.Equal("again", (await client.UnaryAsync(new EchoRequest { Text = "again" }).ResponseAsync.WaitAsync(EchoServer.Patience)).Text);
    }

    /// <summary>A way to a server that can stop carrying bytes without closing, or close.</summary>
    private sealed class Relay : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly int _target;
        private readonly List<Socket> _sockets = [];
        private volatile bool _silent;

        public Relay(int target)
        {
            _target = target;
            _listener.Start();
            _ = AcceptAsync();
        }

        public GrpcChannel Channel(bool pings)
        {
            var handler = ChannelHandler.Create();
            handler.KeepAlivePingDelay = pings ? TimeSpan.FromSeconds(1) : Timeout.InfiniteTimeSpan;
            handler.KeepAlivePingTimeout = PingTimeout;
            return GrpcChannel.ForAddress(
                $"http://{_listener.LocalEndpoint}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        }

        public void FallSilent() => _silent = true;

        public void Break()
        {
            lock (_sockets)
            {
                _sockets.ForEach(socket => socket.Dispose());
                _sockets.Clear();
            }
        }

        public void Dispose()
        {
            _listener.Dispose();
            Break();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var near = await _listener.AcceptSocketAsync();
                    var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                    await far.ConnectAsync(IPAddress.Loopback, _target);
                    lock (_sockets)
                        _sockets.AddRange([near, far]);
                    _ = CarryAsync(near, far);
                    _ = CarryAsync(far, near);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }

        private async Task CarryAsync(Socket from, Socket to)
        {
            var buffer = new byte[16 * 1024];
            try
            {
                int length;
                while ((length = await from.ReceiveAsync(buffer)) > 0)
                {
                    if (!_silent)
                        await to.SendAsync(buffer.AsMemory(0, length));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }
}
