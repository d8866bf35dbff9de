using Grpc.Core;
using WgMesh.Rpc.Client;

namespace WgMesh.Rpc.Tests;

public class DeadlineTests : IClassFixture<DeadlineTests.FirstCalls>
{
    private const string Unary = "/wgmesh.test.Echo/Unary";

    /// <summary>Long enough for a slow machine to get a call into its handler.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(3);

    [Theory]
    [InlineData("hang")] // its token fires
    [InlineData("deaf")] // it listens to nothing
    public async Task A_server_answers_DEADLINE_EXCEEDED_when_the_time_is_over(string behaviour)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Frames.Of(new EchoRequest { Behaviour = behaviour }), ("grpc-timeout", "3S"));
        Assert.Equal(StatusCode.DeadlineExceeded, (StatusCode)response.Status);
        await server.Observations.Cancelled.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task A_server_ends_a_stream_between_messages_when_the_time_is_over()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(
            "/wgmesh.test.Echo/ServerStream", Frames.Of(new EchoRequest { Behaviour = "deaf", Text = "a" }), ("grpc-timeout", "3S"));
        Assert.Equal(StatusCode.DeadlineExceeded, (StatusCode)response.Status);
        Assert.Equal(Frames.Of(new EchoReply { Text = "a" }), response.Body);
    }

    [Fact]
    public async Task A_handler_waiting_for_requests_is_cancelled_when_the_time_is_over()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex(deadline: DateTime.UtcNow + Soon);
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        Assert.IsAssignableFrom<OperationCanceledException>(await server.Observations.Returned.Task.WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_handler_may_finish_after_its_deadline_without_harm()
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Frames.Of(new EchoRequest { Behaviour = "deaf" }), ("grpc-timeout", "3S"));
        Assert.Equal(StatusCode.DeadlineExceeded, (StatusCode)response.Status);
        server.Observations.Release.TrySetResult();
        await server.Observations.Returned.Task.WaitAsync(EchoServer.Patience);
        Assert.Equal("b", (await server.Client().UnaryAsync(new EchoRequest { Text = "b" }).ResponseAsync.WaitAsync(EchoServer.Patience)).Text);
    }

    [Fact]
    public async Task The_handler_knows_the_deadline()
    {
        await using var server = await EchoServer.StartAsync();
        var deadline = DateTime.UtcNow.AddHours(1);
        await server.Client().UnaryAsync(new EchoRequest(), deadline: deadline);
        var seen = await server.Observations.Context.Task.WaitAsync(EchoServer.Patience);
        Assert.Equal(DateTimeKind.Utc, seen.Deadline.Kind);
        Assert.InRange(seen.Deadline, deadline.AddSeconds(-1), deadline + EchoServer.Patience); // it is what is left when the call arrives
    }

    [Theory]
    [InlineData("5")]
    [InlineData("soon")]
    [InlineData("123456789m")]
    public async Task A_malformed_timeout_is_INTERNAL(string timeout)
    {
        await using var server = await EchoServer.StartAsync();
        var response = await server.PostAsync(Unary, Frames.Of(new EchoRequest()), ("grpc-timeout", timeout));
        Assert.Equal(StatusCode.Internal, (StatusCode)response.Status);
        Assert.False(server.Observations.Context.Task.IsCompleted);
    }

    [Fact]
    public async Task The_longest_timeout_is_no_timeout()
    {
        await using var server = await EchoServer.StartAsync();
        Assert.Equal(0, (await server.PostAsync(Unary, Frames.Of(new EchoRequest()), ("grpc-timeout", "99999999H"))).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_gives_up_at_its_deadline_whatever_the_server_does(bool headers)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.RequestAborted.Register(() => gone.TrySetResult());
            http.Response.ContentType = "application/grpc";
            if (headers)
                await http.Response.Body.FlushAsync();
            await gone.Task;
        });
        using var call = server.Client().UnaryAsync(new EchoRequest(), deadline: DateTime.UtcNow + Soon);
        var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        await gone.Task.WaitAsync(EchoServer.Patience);
    }

    [Fact]
    public async Task A_deadline_in_the_past_fails_the_call_before_anything_is_sent()
    {
        await using var server = await EchoServer.StartAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => server.Client()
            .UnaryAsync(new EchoRequest(), deadline: DateTime.UtcNow.AddSeconds(-1)).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        Assert.False(server.Observations.Context.Task.IsCompleted);
    }

    [Fact]
    public async Task A_deadline_in_local_time_is_refused()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client();
        Assert.Throws<InvalidOperationException>(() => client.UnaryAsync(new EchoRequest(), deadline: DateTime.Now.AddMinutes(1)));
    }

    [Theory]
    [InlineData(StatusCode.Cancelled, 0, StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.Cancelled, 1, StatusCode.Cancelled)]
    [InlineData(StatusCode.Cancelled, null, StatusCode.Cancelled)]
    [InlineData(StatusCode.NotFound, 0, StatusCode.NotFound)]
    public void Cancelled_at_the_deadline_means_the_deadline(StatusCode code, int? secondsLeft, StatusCode expected)
    {
        var now = DateTime.UtcNow;
        var deadline = secondsLeft is { } seconds ? now.AddSeconds(seconds) : (DateTime?)null;
        var (status, trailers) = DeadlineRule.Apply(new Status(code, "d"), new Metadata { { "a", "b" } }, deadline, now);
        Assert.Equal(expected, status.StatusCode);
        Assert.Equal(expected == StatusCode.DeadlineExceeded ? 0 : 1, trailers.Count);
    }

    /// <summary>What the first calls of a process take, to compile both sides, is not to be taken from the time of these.</summary>
    public sealed class FirstCalls : IAsyncLifetime
    {
        public async Task InitializeAsync()
        {
            await using var server = await EchoServer.StartAsync();
            await server.PostAsync(Unary, Frames.Of(new EchoRequest()));
            await server.Client().UnaryAsync(new EchoRequest());
            using var call = server.Client().Duplex();
            await call.RequestStream.CompleteAsync();
            await call.ResponseStream.MoveNext();
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }
}
