using System.Net.Sockets;
using System.Text;

namespace WgMesh.Engine.Tests.Uapi;

/// <summary>Speaks to a <see cref="WgMesh.Engine.Uapi.UapiServer"/> byte by byte, rightly or wrongly.</summary>
internal sealed class UapiClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private string _received = "";

    public UapiClient(string path) => _socket.Connect(new UnixDomainSocketEndPoint(path));

    public async Task SendAsync(string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text).AsMemory();
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes).AsTask().WaitAsync(Patience)..];
        }
    }

    /// <summary>The next answer with its empty line; what came before the end if the server hung up.</summary>
    public async Task<string> ReceiveAsync()
    {
        var buffer = new byte[4096];
        int end;
        while ((end = _received.IndexOf("\n\n", StringComparison.Ordinal)) < 0)
        {
            var length = await _socket.ReceiveAsync(buffer).WaitAsync(Patience);
            if (length == 0)
            {
                return _received;
            }

            _received += Encoding.ASCII.GetString(buffer, 0, length);
        }

        var answer = _received[..(end + 2)];
        _received = _received[(end + 2)..];
        return answer;
    }

    public async Task<string> AskAsync(string request)
    {
        await SendAsync(request);
        return await ReceiveAsync();
    }

    public async Task<bool> HasHungUpAsync() => _received.Length == 0 && await _socket.ReceiveAsync(new byte[1]).WaitAsync(Patience) == 0;

    public void Dispose() => _socket.Dispose();
}
