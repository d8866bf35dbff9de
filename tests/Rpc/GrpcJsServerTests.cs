using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace WgMesh.Rpc.Tests;

/// <summary>Our client against the server of the gRPC project for Node.js.</summary>
[Trait("needs", "system")]
public sealed class GrpcJsServerTests : IAsyncLifetime
{
    private GrpcJs.Script _server = null!;
    private GrpcChannel _channel = null!;
    private Echo.EchoClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await GrpcJs.StartAsync("server.js");
        _channel = GrpcChannel.ForAddress($"http://127.0.0.1:{await PortAsync(_server)}");
        _client = new Echo.EchoClient(_channel);
    }

    public async Task DisposeAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public Task All_kinds_of_calls() => AllKindsAsync(_client);

    [Fact]
    public async Task All_kinds_of_calls_over_TLS()
    {
        using var authority = new TestAuthority("CA");
        using var other = new TestAuthority("CA");
        using var issued = authority.Issue("localhost");
        using var certificate = new TempFile(issued.ExportCertificatePem());
        using var key = new TempFile(issued.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        await using var server = await GrpcJs.StartAsync("server.js", certificate.Path, key.Path);
        var address = $"https://localhost:{await PortAsync(server)}";

        using var channel = GrpcChannel.ForAddress(
            address, new GrpcChannelOptions { HttpHandler = ChannelHandler.Create([authority.Certificate]), DisposeHttpClient = true });
        await AllKindsAsync(new Echo.EchoClient(channel));

        using var distrustful = GrpcChannel.ForAddress(
            address, new GrpcChannelOptions { HttpHandler = ChannelHandler.Create([other.Certificate]), DisposeHttpClient = true });
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            new Echo.EchoClient(distrustful).UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
    }

    [Fact]
    public async Task Statuses_with_details_and_trailers()
    {
        var request = new EchoRequest { Repeat = 3, Behaviour = "status", Status = 5, Detail = "100 % wrong:\n\"ü\" 😀" };
        var e = await Assert.ThrowsAsync<RpcException>(() => _client.UnaryAsync(request).ResponseAsync.WaitAsync(EchoServer.Patience));
        Check(e);

        using var call = _client.ServerStream(request);
        for (var i = 0; i < 3; i++)
            Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Check(e);

        var absent = new Absent.AbsentClient(_channel);
        e = await Assert.ThrowsAsync<RpcException>(() => absent.UnaryAsync(request).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unimplemented, e.StatusCode);

        void Check(RpcException e)
        {
            Assert.Equal((StatusCode.NotFound, request.Detail), (e.StatusCode, e.Status.Detail));
            Assert.Equal("thrown", e.Trailers.GetValue("trailer-text"));
            Assert.Equal([0, 1, 254, 255], e.Trailers.GetValueBytes("trailer-bin"));
        }
    }

    [Fact]
    public async Task Metadata_in_headers_and_trailers()
    {
        using var call = _client.UnaryAsync(
            new EchoRequest { Behaviour = "metadata" }, new Metadata { { "echo-text", "some text" }, { "echo-bin", [0, 1, 254, 255] } });
        await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        foreach (var metadata in (Metadata[])[await call.ResponseHeadersAsync, call.GetTrailers()])
        {
            Assert.Equal("some text", metadata.GetValue("echo-text"));
            Assert.Equal([0, 1, 254, 255], metadata.GetValueBytes("echo-bin"));
        }
    }

    [Fact]
    public async Task Deadlines_and_cancellation_reach_the_server()
    {
        // The connection is there and both sides are warm, so that the time is spent in the handler.
        await _client.UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience);

        var hang = new EchoRequest { Behaviour = "hang" };
        var deadline = DateTime.UtcNow.AddSeconds(5);
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            _client.UnaryAsync(hang, deadline: deadline).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        var seen = DateTime.UnixEpoch.AddMilliseconds((await _server.ReadAsync()).GetProperty("deadline").GetDouble());
        Assert.InRange(seen, deadline.AddMilliseconds(-100), deadline + EchoServer.Patience); // it is what is left when the call arrives
        Assert.True((await _server.ReadAsync()).GetProperty("cancelled").GetBoolean());

        using var cancellation = new CancellationTokenSource();
        using var call = _client.UnaryAsync(hang, cancellationToken: cancellation.Token);
        Assert.True((await _server.ReadAsync()).GetProperty("hanging").GetBoolean());
        await cancellation.CancelAsync();
        e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        Assert.True((await _server.ReadAsync()).GetProperty("cancelled").GetBoolean());
    }

    [Fact]
    public async Task Sizes_of_messages()
    {
        var request = new EchoRequest { Payload = ByteString.CopyFrom(new byte[1024 * 1024 - 100]) };
        Assert.Equal(request.Payload, (await _client.UnaryAsync(request).ResponseAsync.WaitAsync(EchoServer.Patience)).Payload);

        using var careful = GrpcChannel.ForAddress($"http://{_channel.Target}", new GrpcChannelOptions { MaxReceiveMessageSize = 1000 });
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            new Echo.EchoClient(careful).UnaryAsync(request).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);

        request.Payload = ByteString.CopyFrom(new byte[1024 * 1024 + 1]);
        e = await Assert.ThrowsAsync<RpcException>(() => _client.UnaryAsync(request).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.ResourceExhausted, e.StatusCode);
    }

    [Fact]
    public async Task A_silent_call_is_kept_alive_by_pings()
    {
        await using var server = await GrpcJs.StartAsync("pings.js");
        var handler = ChannelHandler.Create();
        handler.KeepAlivePingDelay = TimeSpan.FromSeconds(1);
        using var channel = GrpcChannel.ForAddress(
            $"http://127.0.0.1:{await PortAsync(server)}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        using var call = new Echo.EchoClient(channel).Duplex();
        await call.ResponseHeadersAsync.WaitAsync(EchoServer.Patience);
        var read = call.ResponseStream.MoveNext();

        // The handler also pings to measure the round trip, but only while data arrive; these come with silence.
        for (var i = 0; i < 2; i++)
            Assert.True((await server.ReadAsync()).GetProperty("ping").GetBoolean());
        Assert.False(read.IsCompleted);
    }

    private static async Task AllKindsAsync(Echo.EchoClient client)
    {
        var reply = await client.UnaryAsync(new EchoRequest { Text = "héllo", Payload = ByteString.CopyFrom(1, 2, 3) })
            .ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(("héllo", ByteString.CopyFrom(1, 2, 3)), (reply.Text, reply.Payload));

        using var clientStream = client.ClientStream();
        foreach (var text in (string[])["a", "b", "", "c"])
            await clientStream.RequestStream.WriteAsync(new EchoRequest { Text = text }).WaitAsync(EchoServer.Patience);
        await clientStream.RequestStream.CompleteAsync();
        reply = await clientStream.ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(("abc", 4u), (reply.Text, reply.Index));

        using var serverStream = client.ServerStream(new EchoRequest { Text = "x", Repeat = 1000 });
        Assert.Equal(
            Enumerable.Range(0, 1000).Select(i => (uint)i),
            await serverStream.ResponseStream.ReadAllAsync().Select(r => r.Index).ToArrayAsync().AsTask().WaitAsync(EchoServer.Patience));

        using var duplex = client.Duplex();
        for (uint i = 0; i < 20; i++)
        {
            await duplex.RequestStream.WriteAsync(new EchoRequest { Text = $"{i}" }).WaitAsync(EchoServer.Patience);
            Assert.True(await duplex.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
            Assert.Equal(($"{i}", i), (duplex.ResponseStream.Current.Text, duplex.ResponseStream.Current.Index));
        }

        await duplex.RequestStream.CompleteAsync();
        Assert.False(await duplex.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.OK, duplex.GetStatus().StatusCode);
    }

    private static async Task<int> PortAsync(GrpcJs.Script server) => (await server.ReadAsync()).GetProperty("port").GetInt32();
}
