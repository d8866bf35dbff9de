using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace WgMesh.Rpc.Tests;

public class BodyLimitTests
{
    [Fact]
    public async Task A_stream_may_be_silent_for_longer_than_the_server_lets_a_body_be()
    {
        // Kestrel's own limit on slow bodies, made short: without our lifting it this call fails.
        await using var server = await EchoServer.StartAsync(
            limits: limits => limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(1.1)));
        using var call = server.Client().Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest { Text = "a" });
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        await Task.Delay(3500);
        await call.RequestStream.WriteAsync(new EchoRequest { Text = "b" });
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal("b", call.ResponseStream.Current.Text);
    }

    [Fact]
    public async Task A_stream_may_carry_more_than_the_server_lets_a_body_be()
    {
        await using var server = await EchoServer.StartAsync(limits: limits => limits.MaxRequestBodySize = 1000);
        using var call = server.Client().ClientStream();
        for (var i = 0; i < 100; i++)
            await call.RequestStream.WriteAsync(new EchoRequest { Payload = ByteString.CopyFrom(new byte[100]) });
        await call.RequestStream.CompleteAsync();
        Assert.Equal(100u, (await call.ResponseAsync.WaitAsync(EchoServer.Patience)).Index);
    }
}
