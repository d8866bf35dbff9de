using System.Text.Json;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

/// <summary>The client of the gRPC project for Node.js against our server.</summary>
[Trait("needs", "system")]
public class GrpcJsClientTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task All_kinds_of_calls(bool tls)
    {
        using var authority = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: tls ? authority.Issue("localhost") : null);
        using var ca = new TempFile(authority.Certificate.ExportCertificatePem());
        string[] target = tls ? [server.Address.Authority, ca.Path] : [server.Address.Authority];

        var unary = await GrpcJs.RunAsync("client.js", ["unary", .. target]);
        Assert.Equal(0, Code(unary));
        Assert.Equal("""{"text":"héllo","index":1,"length":3}""", unary.GetProperty("reply").GetRawText());

        var clientStream = await GrpcJs.RunAsync("client.js", ["clientStream", .. target]);
        Assert.Equal(0, Code(clientStream));
        Assert.Equal("abc", clientStream.GetProperty("reply").GetProperty("text").GetString());
        Assert.Equal(4, clientStream.GetProperty("reply").GetProperty("index").GetInt32());

        var serverStream = await GrpcJs.RunAsync("client.js", ["serverStream", .. target]);
        Assert.Equal((0, 1000), (Code(serverStream), serverStream.GetProperty("replies").GetArrayLength()));

        var duplex = await GrpcJs.RunAsync("client.js", ["duplex", .. target]);
        Assert.Equal(0, Code(duplex));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), Replies(duplex));
    }

    [Fact]
    public async Task Statuses_with_details_and_trailers()
    {
        await using var server = await EchoServer.StartAsync();
        var status = await RunAsync(server, "status");
        Assert.Equal((5, "100 % wrong:\n\"ü\" 😀"), (Code(status), status.GetProperty("details").GetString()));
        Assert.Equal("thrown", status.GetProperty("text").GetString());
        Assert.Equal("[0,1,254,255]", status.GetProperty("bin").GetRawText());

        var after = await RunAsync(server, "statusAfterMessages");
        Assert.Equal((15, "enough", 3), (Code(after), after.GetProperty("details").GetString(), Replies(after).Length));

        var sending = await RunAsync(server, "statusWhileSending");
        Assert.Equal((7, "not you"), (Code(sending), sending.GetProperty("details").GetString()));

        var exception = await RunAsync(server, "exception");
        Assert.Equal((2, "Exception was thrown by handler."), (Code(exception), exception.GetProperty("details").GetString()));

        Assert.Equal(12, Code(await RunAsync(server, "unknown")));
    }

    [Fact]
    public async Task Metadata_in_headers_and_trailers()
    {
        await using var server = await EchoServer.StartAsync();
        var result = await RunAsync(server, "metadata");
        Assert.Equal(0, Code(result));
        foreach (var place in (string[])["headers", "trailers"])
        {
            var metadata = result.GetProperty(place);
            Assert.Equal("some text", metadata.GetProperty("echo-text")[0].GetString());
            Assert.Equal("[0,1,254,255]", metadata.GetProperty("echo-bin")[0].GetProperty("data").GetRawText());
        }
    }

    [Fact]
    public async Task Deadlines_reach_the_handler()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(StatusCode.DeadlineExceeded, (StatusCode)Code(await RunAsync(server, "deadline")));
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task Cancellation_reaches_the_handler()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(StatusCode.Cancelled, (StatusCode)Code(await RunAsync(server, "cancel")));
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task Sizes_of_messages()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(StatusCode.ResourceExhausted, (StatusCode)Code(await RunAsync(server, "oversizedRequest")));
        Assert.Equal(StatusCode.ResourceExhausted, (StatusCode)Code(await RunAsync(server, "oversizedReply")));
        var large = await RunAsync(server, "large");
        Assert.Equal((0, 4 * 1024 * 1024 - 100), (Code(large), large.GetProperty("reply").GetProperty("length").GetInt32()));
    }

    [Fact]
    public async Task Compression_is_UNIMPLEMENTED()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(StatusCode.Unimplemented, (StatusCode)Code(await RunAsync(server, "compressed")));
    }

    [Fact]
    public async Task Pings_on_a_silent_stream_are_answered()
    {
        await using var server = await EchoServer.StartAsync();
        var result = await RunAsync(server, "keepalive");
        Assert.Equal((0, "before,after"), (Code(result), string.Join(",", Replies(result))));
    }

    [Fact]
    public async Task The_frames_of_an_answer_are_those_of_the_protocol()
    {
        await using var server = await EchoServer.StartAsync();
        var port = $"{server.Address.Port}";
        var request = Convert.ToBase64String(Frames.Of(new EchoRequest()));

        // Response-Headers *Length-Prefixed-Message Trailers
        var success = await GrpcJs.RunAsync("frames.js", port, "/wgmesh.test.Echo/Unary", request);
        Assert.Equal("application/grpc", success.GetProperty("headers").GetProperty("content-type").GetString());
        Assert.False(success.GetProperty("endedByHeaders").GetBoolean());
        Assert.False(success.GetProperty("headers").TryGetProperty("grpc-status", out _));
        Assert.True(success.GetProperty("endedByTrailers").GetBoolean());
        Assert.Equal("0", success.GetProperty("trailers").GetProperty("grpc-status").GetString());

        // Trailers-Only: one HEADERS frame with END_STREAM
        var error = await GrpcJs.RunAsync(
            "frames.js", port, "/wgmesh.test.Echo/Unary", Convert.ToBase64String(Frames.Of(new EchoRequest { Behaviour = "status", Status = 5 })));
        Assert.True(error.GetProperty("endedByHeaders").GetBoolean());
        Assert.Equal("5", error.GetProperty("headers").GetProperty("grpc-status").GetString());
        Assert.Equal("application/grpc", error.GetProperty("headers").GetProperty("content-type").GetString());
        Assert.Equal(0, error.GetProperty("data").GetInt32());

        // "Early Server Closure": the status before the client's END_STREAM is followed by RST_STREAM(NO_ERROR)
        var early = await GrpcJs.RunAsync(
            "frames.js", port, "/wgmesh.test.Echo/Duplex", Convert.ToBase64String(Frames.Of(new EchoRequest { Behaviour = "status", Status = 5 })),
            "open");
        Assert.Equal("5", early.GetProperty("headers").GetProperty("grpc-status").GetString());
        Assert.Equal(0, early.GetProperty("resetCode").GetInt32());
    }

    [Fact]
    public async Task A_call_past_its_deadline_is_ended_and_its_stream_freed_whatever_its_handler_does()
    {
        await using var server = await EchoServer.StartAsync();
        var late = await GrpcJs.RunAsync(
            "frames.js", $"{server.Address.Port}", "/wgmesh.test.Echo/Duplex",
            Convert.ToBase64String(Frames.Of(new EchoRequest { Behaviour = "deaf" })), "open", "100m");
        Assert.Equal("4", late.GetProperty("headers").GetProperty("grpc-status").GetString());
        Assert.Equal(0, late.GetProperty("resetCode").GetInt32());
        Assert.False(server.Observations.Returned.Task.IsCompleted);
    }

    private static Task<JsonElement> RunAsync(EchoServer server, string scenario) =>
        GrpcJs.RunAsync("client.js", scenario, server.Address.Authority);

    private static int Code(JsonElement result) => result.GetProperty("code").GetInt32();

    private static string[] Replies(JsonElement result) => [.. result.GetProperty("replies").EnumerateArray().Select(e => e.GetString()!)];
}
