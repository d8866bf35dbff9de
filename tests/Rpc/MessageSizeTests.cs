using Google.Protobuf;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class MessageSizeTests
{
    // A payload of bytes is a tag, a varint of its length and the bytes.
    private static EchoRequest OfSize(int size)
    {
        var message = new EchoRequest { Payload = ByteString.CopyFrom(new byte[size - 3]) };
        Assert.Equal(size, message.CalculateSize());
        return message;
    }

    [Fact]
    public async Task A_server_takes_a_request_at_its_limit_and_refuses_one_above()
    {
        await using var server = await EchoServer.StartAsync(options => options.MaxReceiveMessageSize = 1000);
        var client = server.Client();
        await client.UnaryAsync(OfSize(1000)).ResponseAsync.WaitAsync(EchoServer.Patience);
        var e = await Assert.ThrowsAsync<RpcException>(() => client.UnaryAsync(OfSize(1001)).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_server_does_not_send_a_response_above_its_limit()
    {
        await using var server = await EchoServer.StartAsync(options => options.MaxSendMessageSize = 1000);
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            server.Client().UnaryAsync(OfSize(1001)).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_client_refuses_a_response_above_its_limit()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client(options => options.MaxReceiveMessageSize = 1000);
        using var call = client.Duplex();
        await call.RequestStream.WriteAsync(OfSize(998));
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        await call.RequestStream.WriteAsync(OfSize(1001));
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task A_client_does_not_send_a_request_above_its_limit()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client(options => options.MaxSendMessageSize = 1000);
        await client.UnaryAsync(OfSize(1000)).ResponseAsync.WaitAsync(EchoServer.Patience);
        var e = await Assert.ThrowsAsync<RpcException>(() => client.UnaryAsync(OfSize(1001)).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);

        using var call = client.Duplex();
        await call.RequestStream.WriteAsync(OfSize(1000)).WaitAsync(EchoServer.Patience);
        e = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(OfSize(1001)).WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task The_limit_is_4_MiB_unless_set()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client(options => options.MaxReceiveMessageSize = null);
        var large = new EchoRequest { Payload = ByteString.CopyFrom(new byte[4 * 1024 * 1024 - 5]) };
        Assert.Equal(4 * 1024 * 1024, large.CalculateSize());
        await client.UnaryAsync(large).ResponseAsync.WaitAsync(EchoServer.Patience);
        large.Text = "a";
        var e = await Assert.ThrowsAsync<RpcException>(() => client.UnaryAsync(large).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }
}
