using System.Net.Sockets;
using System.Text;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;

namespace WgMesh.Fuzz.Targets;

/// <summary>
/// Requests of the UAPI over a socket, in pieces of any size: every one of them is answered, or the connection ends with an error, and
/// where the pieces begin makes no difference.
/// </summary>
internal sealed class UapiSocketTarget : FuzzTarget
{
    private static readonly byte[][] Requests =
    [
        .. UapiTarget.Bodies.Select(body => (byte[])[.. "set=1\n"u8, .. body, (byte)'\n']),
        "get=1\n\n"u8.ToArray(),
        "get=1\n\nset=1\nlisten_port=7\n\n\nget=1\n\n"u8.ToArray(),
    ];

    /// <inheritdoc/>
    public override string Name => "uapi-socket";

    /// <inheritdoc/>
    public override void Run(IReadOnlyList<Sample> samples)
    {
        byte[] text = [.. samples.SelectMany(sample => sample.Apply(Requests[(int)(sample.Entry % (uint)Requests.Length)], Requests, UapiTarget.Words))];
        var whole = AskAsync(text, text.Length + 1).GetAwaiter().GetResult();
        var inPieces = AskAsync(text, 1 + (int)(samples.Aggregate(0u, (sum, sample) => sum + sample.Entry) % 50)).GetAwaiter().GetResult();
        Require(whole == inPieces, $"the answer {whole} became {inPieces} when the request came in pieces");
        Require(
            whole.Length == 0 || (whole.StartsWith("errno=", StringComparison.Ordinal) || whole.StartsWith("listen_port=", StringComparison.Ordinal)) && whole.EndsWith("\n\n", StringComparison.Ordinal),
            $"{whole} is no answer");
    }

    private static async Task<string> AskAsync(byte[] text, int piece)
    {
        var (client, server) = await PairAsync();
        using (client)
        {
            ushort port = 1;
            var connection = new UapiConnection(
                server,
                update =>
                {
                    port = update.ListenPort ?? port;
                    return null;
                },
                () => new DeviceSnapshot { Name = "wg0", ListenPort = port, FirewallMark = 0, Mtu = 1420, Peers = [] },
                report: null);
            var serving = connection.RunAsync(default);
            var reading = ReadAsync(client);
            try
            {
                for (var at = 0; at < text.Length; at += piece)
                {
                    for (var rest = text.AsMemory(at, Math.Min(piece, text.Length - at)); !rest.IsEmpty;)
                    {
                        rest = rest[await client.SendAsync(rest)..];
                    }
                }

                client.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // it hung up on what is not its protocol
            }

            await serving;
            return await reading;
        }
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer) is var length and > 0)
            {
                answer.Append(Encoding.ASCII.GetString(buffer, 0, length));
            }
        }
        catch (SocketException)
        {
            // reset, because it had more to say than was listened to
        }

        return answer.ToString();
    }

    private static async Task<(Socket Client, Socket Server)> PairAsync()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"\0wgmesh-fuzz-{Guid.NewGuid():n}")); // abstract: no file
        listener.Listen(1);
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var accepting = listener.AcceptAsync();
        await client.ConnectAsync(listener.LocalEndPoint!);
        return (client, await accepting);
    }
}
