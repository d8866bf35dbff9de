using System.Buffers;
using System.Net.Sockets;
using WgMesh.Engine.Device;

namespace WgMesh.Engine.Uapi;

/// <summary>Serves one client's requests, one after the other, until it hangs up or stops speaking the protocol.</summary>
internal sealed class UapiConnection(
    Socket socket, Func<DeviceUpdate, DeviceError?> apply, Func<DeviceSnapshot> snapshot, Action<string>? report)
{
    /// <summary>Runs to the end of the connection. Throws nothing that a client can cause.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var _ = socket;
        using var lines = new UapiLineReader(socket);
        try
        {
            while (await lines.ReadAsync(cancellation) is { } line && await ServeAsync(line, lines, cancellation))
            {
            }
        }
        catch (InvalidDataException tooLong)
        {
            report?.Invoke(tooLong.Message);
            await TrySendAsync(UapiFormatter.FormatErrno(UapiParser.ProtocolError), cancellation);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // the client is gone, or we are going
        }
    }

    /// <returns>Whether the connection goes on.</returns>
    private async ValueTask<bool> ServeAsync(ReadOnlyMemory<byte> line, UapiLineReader lines, CancellationToken cancellation)
    {
        if (line.Span.SequenceEqual("get=1"u8))
        {
            return await ServeGetAsync(lines, cancellation);
        }

        if (line.Span.SequenceEqual("set=1"u8))
        {
            return await ServeSetAsync(lines, cancellation);
        }

        if (line.IsEmpty)
        {
            return true; // one empty line too many after the request before
        }

        // there is no telling where the next request begins
        report?.Invoke("A request is neither get=1 nor set=1.");
        await TrySendAsync(UapiFormatter.FormatErrno(UapiParser.ProtocolError), cancellation);
        return false;
    }

    private async ValueTask<bool> ServeGetAsync(UapiLineReader lines, CancellationToken cancellation)
    {
        var hasLines = false;
        while (await lines.ReadAsync(cancellation) is { } line)
        {
            if (!line.IsEmpty)
            {
                hasLines = true;
                continue;
            }

            if (hasLines)
            {
                await SendAsync(UapiFormatter.FormatErrno(DeviceError.InvalidArgument), cancellation);
                return true;
            }

            if (TryFormat() is { } answer)
            {
                try
                {
                    await SendAsync(answer.WrittenMemory, cancellation);
                }
                finally
                {
                    answer.Clear(); // wipes the keys
                }
            }
            else
            {
                await SendAsync(UapiFormatter.FormatErrno(DeviceError.InputOutput), cancellation);
            }

            return true;
        }

        return false;
    }

    private async ValueTask<bool> ServeSetAsync(UapiLineReader lines, CancellationToken cancellation)
    {
        using var parser = new UapiParser();
        while (await lines.ReadAsync(cancellation) is { } line)
        {
            if (!line.IsEmpty)
            {
                parser.AddLine(line.Span);
                continue;
            }

            var (update, error) = parser.Finish();
            if (update is not null)
            {
                error = Apply(update);
            }

            if (error is not null)
            {
                report?.Invoke($"A set was refused: {error.Message}");
            }

            await SendAsync(UapiFormatter.FormatErrno(error?.Errno ?? 0), cancellation);
            return true;
        }

        return false; // a request without its end is none
    }

    // what the device throws must end neither the connection nor the process
    private DeviceError? Apply(DeviceUpdate update)
    {
        try
        {
            return apply(update);
        }
        catch (Exception e)
        {
            return new DeviceError(DeviceError.InputOutput, $"{e.GetType().Name}: {e.Message}");
        }
        finally
        {
            update.PrivateKey?.Dispose(); // the device has copies
            foreach (var peer in update.Peers)
            {
                peer.PresharedKey?.Dispose();
            }
        }
    }

    private ArrayBufferWriter<byte>? TryFormat()
    {
        try
        {
            using var state = snapshot();
            return UapiFormatter.Format(state);
        }
        catch (Exception e)
        {
            report?.Invoke($"A get failed: {e.GetType().Name}: {e.Message}");
            return null;
        }
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> answer, CancellationToken cancellation)
    {
        while (!answer.IsEmpty)
        {
            answer = answer[await socket.SendAsync(answer, cancellation)..];
        }
    }

    private async ValueTask TrySendAsync(ReadOnlyMemory<byte> answer, CancellationToken cancellation)
    {
        try
        {
            await SendAsync(answer, cancellation);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // the connection ends either way
        }
    }
}
