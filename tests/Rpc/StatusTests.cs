using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class StatusTests
{
    [Theory]
    [InlineData(StatusCode.NotFound, "no such peer")]
    [InlineData(StatusCode.Aborted, "")]
    [InlineData(StatusCode.Unauthenticated, "100 % wrong:\r\n\"ü\" 😀\t")]
    public async Task A_status_thrown_in_a_handler_reaches_the_client_with_its_detail_and_trailers(StatusCode code, string detail)
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().UnaryAsync(new EchoRequest { Behaviour = "status", Status = (uint)code, Detail = detail });
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal((code, detail), (e.StatusCode, e.Status.Detail));
        Assert.Equal("thrown", e.Trailers.GetValue("trailer-text"));
        Assert.Equal(EchoService.TrailerBytes, e.Trailers.GetValueBytes("trailer-bin"));
        Assert.Equal(e.Status, call.GetStatus());
        Assert.Equal("thrown", call.GetTrailers().GetValue("trailer-text"));
    }

    [Fact]
    public async Task A_status_after_messages_comes_after_the_messages()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().ServerStream(
            new EchoRequest { Repeat = 3, Behaviour = "status", Status = (uint)StatusCode.DataLoss, Detail = "enough" });
        for (var i = 0; i < 3; i++)
            Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal((StatusCode.DataLoss, "enough"), (e.StatusCode, e.Status.Detail));
        Assert.Equal(EchoService.TrailerBytes, e.Trailers.GetValueBytes("trailer-bin"));
    }

    [Fact]
    public async Task A_status_set_on_the_context_is_sent_when_the_handler_returns()
    {
        await using var server = await EchoServer.StartAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => server.Client()
            .UnaryAsync(new EchoRequest { Behaviour = "set-status", Status = (uint)StatusCode.OutOfRange, Detail = "d" })
            .ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal((StatusCode.OutOfRange, "d"), (e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task An_exception_in_a_handler_is_UNKNOWN_and_tells_nothing()
    {
        await using var server = await EchoServer.StartAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => server.Client()
            .UnaryAsync(new EchoRequest { Behaviour = "throw" }).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal((StatusCode.Unknown, "Exception was thrown by handler."), (e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task An_exception_in_a_handler_is_told_if_the_host_wants_detailed_errors()
    {
        await using var server = await EchoServer.StartAsync(options => options.EnableDetailedErrors = true);
        var e = await Assert.ThrowsAsync<RpcException>(() => server.Client()
            .UnaryAsync(new EchoRequest { Behaviour = "throw" }).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unknown, e.StatusCode);
        Assert.Contains(EchoService.Secret, e.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_without_messages_is_trailers_only_and_a_success_is_not()
    {
        await using var server = await EchoServer.StartAsync();
        var error = await server.PostAsync(
            "/wgmesh.test.Echo/Unary", Frames.Of(new EchoRequest { Behaviour = "status", Status = 5, Detail = "a%b" }));
        Assert.True(error.IsTrailersOnly);
        Assert.Empty(error.Body);
        Assert.Equal((5, "a%25b"), (error.Status, error.Message));

        var success = await server.PostAsync("/wgmesh.test.Echo/Unary", Frames.Of(new EchoRequest { Text = "t" }));
        Assert.False(success.IsTrailersOnly);
        Assert.Equal(0, success.Status);
        Assert.Equal(Frames.Of(new EchoReply { Text = "t", Index = 1 }), success.Body);
    }

    [Theory]
    [InlineData("/wgmesh.test.Echo/Missing")]
    [InlineData("/wgmesh.test.Absent/Unary")]
    [InlineData("/wgmesh.test.echo/Missing")]
    public async Task An_unknown_method_is_UNIMPLEMENTED(string path)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(path, Frames.Of(new EchoRequest()));
        Assert.Equal((200, 12), ((int)response.HttpStatus, response.Status));
    }

    [Fact]
    public async Task A_client_of_a_service_that_is_not_mapped_gets_UNIMPLEMENTED()
    {
        await using var server = await EchoServer.StartAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => new Absent.AbsentClient(server.Channel())
            .UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unimplemented, e.StatusCode);
    }

    [Fact]
    public async Task An_error_before_the_client_is_done_ends_the_call_for_its_writer_too()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex();

        // The answer may be there before the write is done, which then learns of it too.
        await Record.ExceptionAsync(() => call.RequestStream.WriteAsync(
            new EchoRequest { Behaviour = "status", Status = 7, Detail = "not you" }).WaitAsync(EchoServer.Patience));
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal((StatusCode.PermissionDenied, "not you"), (e.StatusCode, e.Status.Detail));
        e = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new EchoRequest()).WaitAsync(EchoServer.Patience));
        Assert.Equal((StatusCode.PermissionDenied, "not you"), (e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task A_writer_that_goes_on_after_the_server_ended_learns_the_status()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().ClientStream();
        var request = new EchoRequest { Behaviour = "status", Status = 7, Detail = "not you" };
        var e = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (true)
                await call.RequestStream.WriteAsync(request).WaitAsync(EchoServer.Patience);
        });
        Assert.Equal(StatusCode.PermissionDenied, e.StatusCode);
    }

    [Fact]
    public async Task A_status_or_trailers_before_the_end_are_asked_for_in_vain()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex();
        Assert.Throws<InvalidOperationException>(() => call.GetStatus());
        Assert.Throws<InvalidOperationException>(() => call.GetTrailers());
    }
}
