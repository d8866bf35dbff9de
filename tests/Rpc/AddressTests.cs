using System.Net;
using System.Net.Sockets;

namespace WgMesh.Rpc.Tests;

public class AddressTests
{
    [Fact]
    public async Task An_address_that_refuses_is_left_for_the_next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        IPAddress[] addresses = [IPAddress.Parse("127.0.0.97"), IPAddress.Parse("127.0.0.98"), IPAddress.Loopback];

        await using var stream = await ChannelHandler.ConnectAsync(addresses, port, CancellationToken.None);

        using var accepted = await listener.AcceptTcpClientAsync();
        await stream.WriteAsync(new byte[] { 7 });
        Assert.Equal(7, accepted.GetStream().ReadByte());
    }

    [Fact]
    public async Task If_no_address_takes_a_connection_the_last_ones_reason_is_told()
    {
        using var reserved = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // taken, and nobody listens
        var port = ((IPEndPoint)reserved.LocalEndPoint!).Port;

        var e = await Assert.ThrowsAsync<SocketException>(
            async () => await ChannelHandler.ConnectAsync([IPAddress.Loopback, IPAddress.Loopback], port, CancellationToken.None));
        Assert.Equal(SocketError.ConnectionRefused, e.SocketErrorCode);
        await Assert.ThrowsAsync<SocketException>(async () => await ChannelHandler.ConnectAsync([], port, CancellationToken.None));
    }
}
