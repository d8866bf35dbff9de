using Google.Protobuf;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class ConcurrencyTests
{
    [Fact]
    public async Task A_client_reads_once_at_a_time()
    {
        await using var server = await EchoServer.StartAsync();
        using var call = server.Client().Duplex();
        var first = call.ResponseStream.MoveNext();
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.ResponseStream.MoveNext());
        await call.RequestStream.WriteAsync(new EchoRequest());
        Assert.True(await first.WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_client_writes_once_at_a_time_and_not_after_completion()
    {
        await using var server = await EchoServer.StartAsync(options => options.MaxReceiveMessageSize = null);
        using var call = server.Client(options => options.MaxReceiveMessageSize = null).Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest { Behaviour = "deaf" });
        var large = new EchoRequest { Payload = ByteString.CopyFrom(new byte[20_000_000]) };
        var first = call.RequestStream.WriteAsync(large); // more than the window, and nobody reads
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new EchoRequest()));
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.RequestStream.CompleteAsync());
        server.Observations.Release.TrySetResult();
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        await first.WaitAsync(EchoServer.Patience);
        await call.RequestStream.CompleteAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new EchoRequest()));
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.False(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_handler_reads_and_writes_once_at_a_time()
    {
        await using var server = await EchoServer.StartAsync<MisbehavingService>();
        using var call = server.Client(options => options.MaxReceiveMessageSize = null).Duplex();
        await call.RequestStream.WriteAsync(new EchoRequest());
        await MisbehavingService.TriedTwice.Task.WaitAsync(EchoServer.Patience); // till then nobody reads, so that the first write waits
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.True(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal("write: InvalidOperationException, read: InvalidOperationException", call.ResponseStream.Current.Text);
        Assert.False(await call.ResponseStream.MoveNext().WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
        var left = await MisbehavingService.Left.Task.WaitAsync(EchoServer.Patience);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left.Read.WaitAsync(EchoServer.Patience));
        await Assert.ThrowsAsync<InvalidOperationException>(() => left.Requests.MoveNext());
        await Assert.ThrowsAsync<InvalidOperationException>(() => left.Responses.WriteAsync(new EchoReply()));
    }

    /// <summary>Breaks the rules of streams, and leaves a read behind when it returns.</summary>
    public sealed class MisbehavingService : Echo.EchoBase
    {
        public static TaskCompletionSource TriedTwice { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public static TaskCompletionSource<(IAsyncStreamReader<EchoRequest> Requests, IServerStreamWriter<EchoReply> Responses, Task<bool> Read)>
            Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async Task Duplex(
            IAsyncStreamReader<EchoRequest> requestStream, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context)
        {
            await requestStream.MoveNext();
            var write = responseStream.WriteAsync(new EchoReply { Payload = ByteString.CopyFrom(new byte[20_000_000]) });
            var secondWrite = await Record.ExceptionAsync(() => responseStream.WriteAsync(new EchoReply()));
            var read = requestStream.MoveNext();
            var secondRead = await Record.ExceptionAsync(() => requestStream.MoveNext());
            TriedTwice.SetResult();
            await write;
            await responseStream.WriteAsync(new EchoReply { Text = $"write: {secondWrite?.GetType().Name}, read: {secondRead?.GetType().Name}" });
            Left.SetResult((requestStream, responseStream, read));
        }
    }
}
