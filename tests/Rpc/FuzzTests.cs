using Google.Protobuf;
using Grpc.Core;

namespace WgMesh.Rpc.Tests;

public class FuzzTests
{
    private static readonly string[] Methods = ["Unary", "ClientStream", "ServerStream", "Duplex"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_bytes_a_request_has_the_answer_is_a_status_that_tells_of_no_exception(int seed)
    {
        var random = new Random(seed);
        await using var server = await EchoServer.StartAsync(options => options.EnableDetailedErrors = true);
        for (var i = 0; i < 150; i++)
        {
            var body = Body(random);
            var method = Methods[random.Next(Methods.Length)];
            var response = await server.PostAsync($"/wgmesh.test.Echo/{method}", body);
            Assert.Equal(200, (int)response.HttpStatus);

            // The behaviours that a body may ask for by chance are not spelled by chance: what fails here fails below the handler.
            Assert.True(
                (StatusCode)response.Status is StatusCode.OK or StatusCode.Internal or StatusCode.ResourceExhausted or StatusCode.Unimplemented,
                $"seed {seed}, round {i}, {method}: {response.Status} {response.Message} for {Convert.ToHexString(body)}");
            Assert.DoesNotContain("Exception", response.Message ?? "", StringComparison.Ordinal);
        }

        Assert.Equal("well", (await server.Client().UnaryAsync(new EchoRequest { Text = "well" })).Text);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Whatever_bytes_a_response_has_the_client_gives_a_status(int seed)
    {
        var random = new Random(seed);
        var body = Array.Empty<byte>();
        await using var server = await EchoServer.AnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            await http.Response.Body.WriteAsync(body);
            Microsoft.AspNetCore.Http.ResponseTrailerExtensions.AppendTrailer(http.Response, "grpc-status", "0");
        });
        var client = server.Client();
        for (var i = 0; i < 150; i++)
        {
            body = Body(random);
            using var call = client.ServerStream(new EchoRequest(), deadline: DateTime.UtcNow + EchoServer.Patience);
            try
            {
                await foreach (var _ in call.ResponseStream.ReadAllAsync())
                {
                }
            }
            catch (RpcException e)
            {
                Assert.True(
                    e.StatusCode is StatusCode.Internal or StatusCode.ResourceExhausted,
                    $"seed {seed}, round {i}: {e.Status} for {Convert.ToHexString(body)}");
            }
        }
    }

    // Noise, noise in frames, and frames of real messages with a few bytes changed, cut or doubled.
    private static byte[] Body(Random random)
    {
        var body = new List<byte>();
        for (var frames = random.Next(4); frames >= 0; frames--)
        {
            var noise = new byte[random.Next(60)];
            random.NextBytes(noise);
            var message = new EchoRequest { Text = "some text", Payload = ByteString.CopyFrom(noise), Repeat = (uint)random.Next(3) };
            body.AddRange(random.Next(3) switch
            {
                0 => noise,
                1 => Frames.Of(noise),
                _ => Frames.Of(message),
            });
        }

        var bytes = body.ToArray();
        for (var changes = random.Next(3); changes > 0 && bytes.Length > 0; changes--)
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return random.Next(4) == 0 ? bytes[..random.Next(bytes.Length + 1)] : bytes;
    }
}
