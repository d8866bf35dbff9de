using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class CancellationTests
{
    public enum Way
    {
        Token,
        Dispose,
        ReadToken,
        ChannelDispose,
    }

    [Theory]
    [InlineData(Way.Token)]
    [InlineData(Way.Dispose)]
    [InlineData(Way.ReadToken)]
    [InlineData(Way.ChannelDispose)]
    public async Task Cancelling_a_duplex_call_reaches_the_handler_and_fails_the_reader(Way way)
    {
        await using var server = await EchoServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var channel = server.Channel();
        using var call = new Echo.EchoClient(channel).Duplex(cancellationToken: way == Way.Token ? cancellation.Token : default);
        await call.RequestStream.WriteAsync(new EchoRequest());
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));

        var read = call.ResponseStream.MoveNext(way == Way.ReadToken ? cancellation.Token : default);
        Assert.False(read.IsCompleted);
        switch (way)
        {
            case Way.Dispose:
                call.Dispose();
                break;
            case Way.ChannelDispose:
                channel.Dispose();
                break;
            default:
                await cancellation.CancelAsync();
                break;
        }

        var e = await Assert.ThrowsAsync<RpcException>(() => read.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        Assert.Equal(StatusCode.Cancelled, call.GetStatus().StatusCode);
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
        Assert.IsAssignableFrom<OperationCanceledException>(await server.Observations.Returned.Task.WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task Cancelling_a_unary_call_reaches_the_handler()
    {
        await using var server = await EchoServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client().UnaryAsync(new EchoRequest { Behaviour = "hang" }, cancellationToken: cancellation.Token);
        await server.Observations.Context.Task.WaitAsync(EchoServer.Patience);
        await cancellation.CancelAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task A_call_with_a_cancelled_token_is_not_sent()
    {
        await using var server = await EchoServer.StartAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => server.Client()
            .UnaryAsync(new EchoRequest(), cancellationToken: new CancellationToken(true)).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        Assert.False(server.Observations.Context.Task.IsCompleted);
    }

    [Fact]
    public async Task A_handler_that_writes_to_a_client_that_is_gone_is_cancelled()
    {
        await using var server = await EchoServer.StartAsync();
        using (var call = server.Client().ServerStream(new EchoRequest { Repeat = uint.MaxValue }))
            Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.IsAssignableFrom<OperationCanceledException>(await server.Observations.Returned.Task.WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_handler_that_writes_to_a_client_that_does_not_read_waits_and_buffers_little()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().ServerStream(
            new EchoRequest { Repeat = 1000, Payload = Google.Protobuf.ByteString.CopyFrom(new byte[100_000]) });
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        await Task.Delay(300);
        Assert.False(server.Observations.Returned.Task.IsCompleted);
        Assert.Equal(999, await call.ResponseStream.ReadAllAsync().CountAsync().AsTask().WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task No_server_is_UNAVAILABLE()
    {
        // a port that nobody is given by chance, as another test's server might be given one that was just closed
        using var channel = Grpc.Net.Client.GrpcChannel.ForAddress("http://127.0.0.1:1");
        using var call = new Echo.EchoClient(channel).Duplex();
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        e = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new EchoRequest()).WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseHeadersAsync);
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
    }

    [Fact]
    public async Task A_channel_that_was_disposed_starts_no_calls()
    {
        await using var server = await EchoServer.StartAsync();
        var channel = server.Channel();
        await channel.ShutdownAsync();
        Assert.Throws<ObjectDisposedException>(() => new Echo.EchoClient(channel).UnaryAsync(new EchoRequest()));
    }
}
