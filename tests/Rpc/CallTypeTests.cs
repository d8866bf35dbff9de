using Google.Protobuf;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class CallTypeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_unary_call_gives_one_reply_and_OK(bool tls)
    {
        await using var setup = await Setup.StartAsync(tls);
        using var call = setup.Client.UnaryAsync(new EchoRequest { Text = "héllo", Payload = ByteString.CopyFrom(1, 2, 3) });
        var reply = await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal("héllo", reply.Text);
        Assert.Equal(ByteString.CopyFrom(1, 2, 3), reply.Payload);
        Assert.Equal(Status.DefaultSuccess, call.GetStatus());
        Assert.Empty(call.GetTrailers());
        Assert.Empty(await call.ResponseHeadersAsync);
    }

    [Fact]
    public async Task A_blocking_unary_call_gives_the_reply()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client();
        var reply = await Task.Run(() => client.Unary(new EchoRequest { Text = "a" })).WaitAsync(EchoServer.Patience);
        Assert.Equal("a", reply.Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_stream_gives_one_reply_to_all_requests(bool tls)
    {
        await using var setup = await Setup.StartAsync(tls);
        using var call = setup.Client.ClientStream();
        foreach (var text in (string[])["a", "b", "", "c"])
            await call.RequestStream.WriteAsync(new EchoRequest { Text = text }).WaitAsync(EchoServer.Patience);
        await call.RequestStream.CompleteAsync();
        var reply = await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(("abc", 4u), (reply.Text, reply.Index));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_stream_gives_all_replies_in_order(bool tls)
    {
        await using var setup = await Setup.StartAsync(tls);
        using var call = setup.Client.ServerStream(
            new EchoRequest { Text = "x", Repeat = 1000 }, deadline: DateTime.UtcNow + EchoServer.Patience);
        uint expected = 0;
        await foreach (var reply in call.ResponseStream.ReadAllAsync())
            Assert.Equal(expected++, reply.Index);
        Assert.Equal(1000u, expected);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_duplex_stream_answers_each_request_before_the_next(bool tls)
    {
        await using var setup = await Setup.StartAsync(tls);
        using var call = setup.Client.Duplex();
        for (uint i = 0; i < 20; i++)
        {
            await call.RequestStream.WriteAsync(new EchoRequest { Text = $"{i}" }).WaitAsync(EchoServer.Patience);
            Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
            Assert.Equal(($"{i}", i), (call.ResponseStream.Current.Text, call.ResponseStream.Current.Index));
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.False(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_stream_without_messages_ends_with_OK()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex();
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task An_empty_message_is_a_message()
    {
        await using var server = await EchoServer.StartAsync();
        var reply = await server.Client().UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(new EchoReply { Index = 1 }, reply);
    }

    [Fact]
    public async Task Messages_larger_than_every_window_pass_both_ways()
    {
        await using var server = await EchoServer.StartAsync(options => options.MaxReceiveMessageSize = null);
        var payload = new byte[10_000_000];
        new Random(1).NextBytes(payload);
        using var call = server.Client(options => options.MaxReceiveMessageSize = null).Duplex();
        for (var i = 0; i < 2; i++)
        {
            await call.RequestStream.WriteAsync(new EchoRequest { Payload = ByteString.CopyFrom(payload) }).WaitAsync(EchoServer.Patience);
            Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
            Assert.True(call.ResponseStream.Current.Payload.Span.SequenceEqual(payload));
        }
    }

    [Fact]
    public async Task Buffered_messages_arrive_with_the_next_one_that_is_not()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex();
        call.RequestStream.WriteOptions = new WriteOptions(WriteFlags.BufferHint);
        await call.RequestStream.WriteAsync(new EchoRequest { Text = "a" }).WaitAsync(EchoServer.Patience);
        call.RequestStream.WriteOptions = null;
        await call.RequestStream.WriteAsync(new EchoRequest { Text = "b" }).WaitAsync(EchoServer.Patience);
        await call.RequestStream.CompleteAsync();
        Assert.Equal(["a", "b"], await call.ResponseStream.ReadAllAsync().Select(reply => reply.Text).ToArrayAsync().AsTask().WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task Many_calls_share_a_channel()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client();
        var replies = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => client.UnaryAsync(new EchoRequest { Text = $"{i}" }).ResponseAsync))
            .WaitAsync(EchoServer.Patience);
        Assert.Equal(Enumerable.Range(0, 300).Select(i => $"{i}"), replies.Select(reply => reply.Text));
    }

    private sealed class Setup(EchoServer server, Echo.EchoClient client, TestAuthority? authority) : IAsyncDisposable
    {
        public Echo.EchoClient Client => client;

        public static async Task<Setup> StartAsync(bool tls)
        {
            if (!tls)
            {
                var plain = await EchoServer.StartAsync();
                return new(plain, plain.Client(), null);
            }

            var authority = new TestAuthority("CA");
            var server = await EchoServer.StartAsync(certificate: authority.Issue("localhost"));
            return new(server, server.Client(options => options.HttpHandler = ChannelHandler.Create([authority.Certificate])), authority);
        }

        public async ValueTask DisposeAsync()
        {
            await server.DisposeAsync();
            authority?.Dispose();
        }
    }
}
