using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class SerializedMessagesTests
{
    [Fact]
    public async Task A_serialized_message_and_one_in_parts_arrive_as_messages()
    {
        await using var server = await EchoServer.StartAsync<SerializingService>();
        using var call = server.Client().ServerStream(new EchoRequest());
        Assert.Equal(SerializingService.Expected, await call.ResponseStream.ReadAllAsync().ToArrayAsync().AsTask().WaitAsync(EchoServer.Patience));
    }

    [Fact]
    public async Task A_writer_of_another_kind_gets_the_message_as_an_object()
    {
        var writer = new ListWriter();
        await writer.WriteSerializedAsync(new ReadOnlySequence<byte>(SerializingService.Expected[0].ToByteArray()));
        Assert.Equal([SerializingService.Expected[0]], writer.Written);
    }

    public sealed class SerializingService : Echo.EchoBase
    {
        public static readonly EchoReply[] Expected =
        [
            new() { Text = "whole", Index = 1 },
            new() { Text = "common", Index = 2 },
            new(),
        ];

        public override async Task ServerStream(EchoRequest request, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context)
        {
            await responseStream.WriteSerializedAsync(new ReadOnlySequence<byte>(Expected[0].ToByteArray()));
            var first = new Part(new EchoReply { Text = "common" }.ToByteArray(), null);
            var last = new Part(new EchoReply { Index = 2 }.ToByteArray(), first);
            await responseStream.WriteSerializedAsync(new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length));
            await responseStream.WriteSerializedAsync(ReadOnlySequence<byte>.Empty);
        }
    }

    private sealed class Part : ReadOnlySequenceSegment<byte>
    {
        public Part(byte[] bytes, Part? previous)
        {
            Memory = bytes;
            if (previous is null)
                return;
            previous.Next = this;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
        }
    }

    private sealed class ListWriter : IServerStreamWriter<EchoReply>
    {
        public List<EchoReply> Written { get; } = [];

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(EchoReply message)
        {
            Written.Add(message);
            return Task.CompletedTask;
        }
    }
}
