using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class MetadataTests
{
    [Fact]
    public async Task Text_and_bytes_travel_in_headers_and_trailers()
    {
        var sent = new Metadata
        {
            { "echo-text", "some, text" }, { "echo-text", "more" }, { "echo-bin", [0, 1, 2, 253, 254, 255] }, { "echo-bin", [] },
        };
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().UnaryAsync(new EchoRequest { Behaviour = "metadata" }, sent);
        await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        foreach (var received in (Metadata[])[await call.ResponseHeadersAsync, call.GetTrailers()])
        {
            // "Duplicate header names may have their values joined with "," … and be considered semantically equivalent."
            Assert.Equal("some, text, more", string.Join(", ", received.GetAll("echo-text").Select(entry => entry.Value)));
            Assert.Equal([[0, 1, 2, 253, 254, 255], []], received.GetAll("echo-bin").Select(entry => entry.ValueBytes));
        }
    }

    [Fact]
    public async Task Text_that_only_HTTP_allows_is_taken_and_may_be_sent_back()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(
            "/wgmesh.test.Echo/Unary", Frames.Of(new EchoRequest { Behaviour = "metadata" }), ("echo-odd", "tab\there"), ("echo-bin", "!!"));
        Assert.Equal(0, response.Status);
        Assert.Equal("tab?here", string.Join(",", response.Headers.GetValues("echo-odd")));
    }

    [Fact]
    public async Task Fields_of_the_protocol_are_not_metadata()
    {
        await using var server = await EchoServer.StartAsync();
        var sent = new Metadata { { "grpc-timeout", "1n" }, { "te", "gzip" }, { "content-type", "text/plain" }, { "echo-a", "b" } };
        using var call = server.Client().UnaryAsync(new EchoRequest { Behaviour = "metadata" }, sent);
        await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(["echo-a"], call.GetTrailers().Select(entry => entry.Key));
    }

    [Fact]
    public async Task Response_headers_are_had_before_the_first_message()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex(new Metadata { { "echo-a", "b" } });
        await call.RequestStream.WriteAsync(new EchoRequest { Behaviour = "metadata" });
        Assert.Equal("b", (await call.ResponseHeadersAsync.WaitAsync(EchoServer.Patience)).GetValue("echo-a"));
    }

    [Fact]
    public async Task Response_headers_are_sent_once()
    {
        await using var server = await EchoServer.StartAsync(options => options.EnableDetailedErrors = true);
        using var call = server.Client().Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest { Behaviour = "metadata" });
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        await Record.ExceptionAsync(() => call.RequestStream.WriteAsync(new EchoRequest { Behaviour = "metadata" }));
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Contains("InvalidOperationException", e.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_handler_sees_who_calls_what()
    {
        await using var server = await EchoServer.StartAsync();
        await server.Client().UnaryAsync(new EchoRequest());
        var seen = await server.Observations.Context.Task.WaitAsync(EchoServer.Patience);
        Assert.StartsWith("ipv4:127.0.0.1:", seen.Peer, StringComparison.Ordinal);
        Assert.Equal(server.Address.Authority, seen.Host);
        Assert.Equal("/wgmesh.test.Echo/Unary", seen.Method);
        Assert.Equal(DateTime.MaxValue, seen.Deadline);
    }
}
