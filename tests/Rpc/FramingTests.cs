using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace WgMesh.Rpc.Tests;

public class FramingTests
{
    private const string Unary = "/wgmesh.test.Echo/Unary";
    private const string Duplex = "/wgmesh.test.Echo/Duplex";

    private static readonly byte[] Message = Frames.Of(new EchoRequest { Text = "m" });

    public static TheoryData<string, byte[], StatusCode> BadBodies => new()
    {
        { Duplex, Message[..3], StatusCode.Internal }, // ends within a header
        { Duplex, Message[..^1], StatusCode.Internal }, // ends within a message
        { Duplex, Frames.Of([0xff, 0xff, 0xff]), StatusCode.Internal }, // no protocol buffer
        { Duplex, Frames.Of([0x0a, 0x7f, 0x00]), StatusCode.Internal }, // a field that is longer than its message
        { Duplex, Frames.Of([1, 2], flag: 1), StatusCode.Internal }, // compressed, but no encoding
        { Duplex, Frames.Of([1, 2], flag: 2), StatusCode.Internal }, // no flag
        { Duplex, Frames.Of([], length: uint.MaxValue), StatusCode.ResourceExhausted },
        { Duplex, Frames.Of([], length: 5 * 1024 * 1024), StatusCode.ResourceExhausted },
        { Unary, [], StatusCode.Unimplemented }, // no request
        { Unary, [.. Message, .. Message], StatusCode.Unimplemented }, // two requests
        { Unary, [.. Message, 0], StatusCode.Internal },
    };

    [Theory]
    [MemberData(nameof(BadBodies))]
    public async Task A_body_that_is_no_sequence_of_messages_ends_the_call_with_the_status_for_it(string path, byte[] body, StatusCode expected)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(path, body);
        Assert.Equal((200, expected), ((int)response.HttpStatus, (StatusCode)response.Status));
        Assert.DoesNotContain("   at ", response.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Messages_before_a_broken_one_are_answered()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Duplex, [.. Message, .. Message, 9, 9, 9, 9, 9]);
        Assert.Equal(StatusCode.Internal, (StatusCode)response.Status);
        Assert.Equal([.. Frames.Of(new EchoReply { Text = "m" }), .. Frames.Of(new EchoReply { Text = "m", Index = 1 })], response.Body);
    }

    [Fact]
    public async Task A_coding_that_the_server_does_not_have_is_UNIMPLEMENTED_and_the_answer_says_what_it_has()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Frames.Of([1, 2], flag: 1), ("grpc-encoding", "gzip"));
        Assert.Equal(StatusCode.Unimplemented, (StatusCode)response.Status);
        Assert.Contains("identity", response.Message, StringComparison.Ordinal);
        Assert.Equal("identity", response.Field("grpc-accept-encoding"));
    }

    [Fact]
    public async Task A_compressed_flag_under_identity_is_INTERNAL()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Frames.Of([1, 2], flag: 1), ("grpc-encoding", "identity"));
        Assert.Equal(StatusCode.Internal, (StatusCode)response.Status);
    }

    [Fact]
    public async Task A_message_that_is_not_compressed_passes_under_any_declared_coding()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(0, (await server.PostAsync(Unary, Message, ("grpc-encoding", "gzip"))).Status);
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/plain")]
    [InlineData("application/grpc-web")]
    public async Task Another_content_type_is_refused_by_HTTP_status_415(string contentType)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Message, ("content-type", contentType));
        Assert.Equal(415, (int)response.HttpStatus);
        Assert.Null(response.Field("grpc-status"));
    }

    [Theory]
    [InlineData("application/grpc")]
    [InlineData("application/grpc+proto")]
    [InlineData("application/grpc;charset=utf-8")]
    public async Task The_content_types_of_gRPC_are_taken(string contentType)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Message, ("content-type", contentType));
        Assert.Equal((200, 0), ((int)response.HttpStatus, response.Status));
    }

    [Fact]
    public async Task A_request_over_HTTP_1_is_refused()
    {
        using var authority = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: authority.Issue("localhost"));
        using var http = new HttpClient(ChannelHandler.Create([authority.Certificate]));
        using var content = new ByteArrayContent(Message);
        content.Headers.ContentType = new("application/grpc");
        using var response = await http.PostAsync(new Uri(server.Address, Unary), content).WaitAsync(EchoServer.Patience);
        Assert.Equal(426, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_message_may_arrive_byte_by_byte()
    {
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            foreach (var octet in Frames.Of(new EchoReply { Text = "slow" }))
                await http.Response.Body.WriteAsync(new[] { octet });
            http.Response.AppendTrailer("grpc-status", "0");
        });
        var reply = await server.Client().UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal("slow", reply.Text);
    }

    // What a server may answer that is not right, and what a client makes of it.
    public static TheoryData<byte[], string?, StatusCode> BadAnswers => new()
    {
        { Frames.Of([0xff, 0xff, 0xff]), null, StatusCode.Internal },
        { Message[..^1], null, StatusCode.Internal },
        { Frames.Of([1, 2], flag: 1), null, StatusCode.Internal },
        { Frames.Of([1, 2], flag: 1), "gzip", StatusCode.Internal },
        { Frames.Of([], length: 5 * 1024 * 1024), null, StatusCode.ResourceExhausted },
        { [], null, StatusCode.Unimplemented },
        { [.. Message, .. Message], null, StatusCode.Unimplemented },
    };

    [Theory]
    [MemberData(nameof(BadAnswers))]
    public async Task A_client_meets_a_broken_answer_with_the_status_for_it(byte[] body, string? encoding, StatusCode expected)
    {
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            if (encoding is not null)
                http.Response.Headers["grpc-encoding"] = encoding;
            await http.Response.Body.WriteAsync(body);
            http.Response.AppendTrailer("grpc-status", "0");
        });
        using var call = server.Client().UnaryAsync(new EchoRequest());
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(expected, e.StatusCode);
        Assert.Equal(expected, call.GetStatus().StatusCode);
    }

    [Theory]
    [InlineData(200, StatusCode.Unknown)]
    [InlineData(204, StatusCode.Unknown)]
    [InlineData(302, StatusCode.Unknown)]
    [InlineData(400, StatusCode.Internal)]
    [InlineData(401, StatusCode.Unauthenticated)]
    [InlineData(403, StatusCode.PermissionDenied)]
    [InlineData(404, StatusCode.Unimplemented)]
    [InlineData(429, StatusCode.Unavailable)]
    [InlineData(431, StatusCode.Internal)]
    [InlineData(500, StatusCode.Unknown)]
    [InlineData(502, StatusCode.Unavailable)]
    [InlineData(503, StatusCode.Unavailable)]
    [InlineData(504, StatusCode.Unavailable)]
    public async Task An_answer_without_grpc_status_is_judged_by_its_HTTP_status(int http, StatusCode expected)
    {
        await using var server = await EchoServer.AnswerAsync(context =>
        {
            context.Response.StatusCode = http;
            context.Response.Headers.Location = "/elsewhere";
            return Task.CompletedTask;
        });
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            server.Client().UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(expected, e.StatusCode);
    }

    [Theory]
    [InlineData(503, "5", StatusCode.NotFound)] // "If grpc-status was provided, it must be used"
    [InlineData(200, "99", StatusCode.Unknown)]
    [InlineData(200, "five", StatusCode.Unknown)]
    [InlineData(200, "0", StatusCode.Unimplemented)] // OK without the one reply
    public async Task A_trailers_only_answer_gives_its_status(int http, string status, StatusCode expected)
    {
        await using var server = await EchoServer.AnswerAsync(context =>
        {
            context.Response.StatusCode = http;
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = status;
            return Task.CompletedTask;
        });
        var e = await Assert.ThrowsAsync<RpcException>(() =>
            server.Client().UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(expected, e.StatusCode);
    }

    [Fact]
    public async Task An_answer_that_ends_without_a_status_is_UNKNOWN()
    {
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            await http.Response.Body.WriteAsync(Message);
        });
        using var call = server.Client().ServerStream(new EchoRequest());
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unknown, e.StatusCode);
    }

    [Theory]
    [InlineData(0x2, StatusCode.Internal)] // INTERNAL_ERROR
    [InlineData(0x8, StatusCode.Cancelled)] // CANCEL
    [InlineData(0xb, StatusCode.ResourceExhausted)] // ENHANCE_YOUR_CALM
    [InlineData(0xc, StatusCode.PermissionDenied)] // INADEQUATE_SECURITY
    public async Task A_reset_stream_has_the_status_of_its_code(int code, StatusCode expected)
    {
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            await http.Response.Body.WriteAsync(Message);
            await http.Response.Body.FlushAsync();
            http.Features.GetRequiredFeature<IHttpResetFeature>().Reset(code);
        });
        using var call = server.Client().ServerStream(new EchoRequest());
        var e = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience))
            {
            }
        });
        Assert.Equal(expected, e.StatusCode);
    }

    [Fact]
    public async Task The_request_has_what_the_protocol_wants()
    {
        var seen = new TaskCompletionSource<Dictionary<string, string>>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await EchoServer.AnswerAsync(http =>
        {
            var headers = http.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());
            headers["path"] = http.Request.Path;
            headers["protocol"] = http.Request.Protocol;
            seen.TrySetResult(headers);
            http.Response.Headers["grpc-status"] = "1";
            return Task.CompletedTask;
        });
        using var call = server.Client().WithHost("a.example:1").UnaryAsync(new EchoRequest(), deadline: DateTime.UtcNow.AddMinutes(1));
        var headers = await seen.Task.WaitAsync(EchoServer.Patience);
        Assert.Equal("HTTP/2", headers["protocol"]);
        Assert.Equal("/wgmesh.test.Echo/Unary", headers["path"]);
        Assert.Equal("application/grpc", headers["content-type"]);
        Assert.Equal("trailers", headers["te"]);
        Assert.Equal("a.example:1", headers["host"]);
        Assert.StartsWith("grpc-csharp-wgmesh/", headers["user-agent"], StringComparison.Ordinal);
        Assert.Matches("^[0-9]{1,8}[HMSmun]$", headers["grpc-timeout"]);
    }
}
