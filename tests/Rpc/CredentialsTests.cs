using Grpc.Core;
using Grpc.Net.Client;

namespace WgMesh.Rpc.Tests;

public class CredentialsTests
{
    private static readonly EchoRequest EchoMetadata = new() { Behaviour = "metadata" };

    [Fact]
    public async Task A_server_of_another_authority_is_refused()
    {
        using var authority = new TestAuthority("CA");
        using var other = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: authority.Issue("localhost"));
        foreach (var handler in (HttpMessageHandler[])[ChannelHandler.Create([other.Certificate]), ChannelHandler.Create()])
        {
            var e = await Assert.ThrowsAsync<RpcException>(() => server.Client(options => options.HttpHandler = handler)
                .UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
            Assert.Equal(StatusCode.Unavailable, e.StatusCode);
            Assert.Contains("certificate", e.Status.Detail, StringComparison.OrdinalIgnoreCase);
        }

        Assert.False(server.Observations.Context.Task.IsCompleted);
    }

    [Fact]
    public async Task A_server_with_a_certificate_for_another_name_is_refused()
    {
        using var authority = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: authority.Issue("elsewhere"));
        var e = await Assert.ThrowsAsync<RpcException>(() => server
            .Client(options => options.HttpHandler = ChannelHandler.Create([authority.Certificate]))
            .UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
    }

    [Fact]
    public async Task The_host_of_a_client_is_the_name_that_the_certificate_must_have()
    {
        // How a server is reached by an address that its certificate does not name.
        using var authority = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: authority.Issue("elsewhere"));
        var client = server.Client(options => options.HttpHandler = ChannelHandler.Create([authority.Certificate])).WithHost("elsewhere");
        await client.UnaryAsync(new EchoRequest()).ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal("elsewhere", (await server.Observations.Context.Task.WaitAsync(EchoServer.Patience)).Host);
    }

    [Fact]
    public async Task The_credentials_of_a_channel_are_asked_for_with_every_call()
    {
        using var authority = new TestAuthority("CA");
        await using var server = await EchoServer.StartAsync(certificate: authority.Issue("localhost"));
        var calls = 0;
        AuthInterceptorContext? context = null;
        var perCall = CallCredentials.FromInterceptor((about, metadata) =>
        {
            context = about;
            metadata.Add("echo-token", $"Bearer {++calls}");
            return Task.CompletedTask;
        });
        var client = server.Client(options =>
        {
            options.HttpHandler = ChannelHandler.Create([authority.Certificate]);
            options.Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, perCall);
        });
        for (var i = 1; i <= 2; i++)
        {
            using var call = client.UnaryAsync(EchoMetadata);
            await call.ResponseAsync.WaitAsync(EchoServer.Patience);
            Assert.Equal($"Bearer {i}", call.GetTrailers().GetValue("echo-token"));
        }

        Assert.Equal((new Uri(server.Address, "wgmesh.test.Echo").ToString(), "Unary"), (context!.ServiceUrl, context.MethodName));
    }

    [Fact]
    public async Task The_credentials_of_a_call_come_with_those_of_its_channel()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client(options =>
        {
            options.UnsafeUseInsecureChannelCallCredentials = true;
            options.Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, Token("echo-a"));
        });
        using var call = client.UnaryAsync(EchoMetadata, new CallOptions(credentials: Token("echo-b")));
        await call.ResponseAsync.WaitAsync(EchoServer.Patience);
        Assert.Equal(["echo-a", "echo-b"], call.GetTrailers().Select(entry => entry.Key).Order());
    }

    [Fact]
    public async Task Credentials_that_cannot_be_had_fail_the_call_and_are_not_quoted()
    {
        await using var server = await EchoServer.StartAsync();
        var client = server.Client(options =>
        {
            options.UnsafeUseInsecureChannelCallCredentials = true;
            options.Credentials = ChannelCredentials.Create(
                ChannelCredentials.Insecure, CallCredentials.FromInterceptor((_, _) => throw new IOException("swordfish")));
        });
        var e = await Assert.ThrowsAsync<RpcException>(() => client.UnaryAsync(EchoMetadata).ResponseAsync.WaitAsync(EchoServer.Patience));
        Assert.Equal(StatusCode.Unauthenticated, e.StatusCode);
        Assert.DoesNotContain("swordfish", e.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_do_not_travel_without_TLS()
    {
        Assert.Throws<InvalidOperationException>(() => GrpcChannel.ForAddress(
            "http://localhost:1",
            new GrpcChannelOptions { Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, Token("a")) }));
        await using var server = await EchoServer.StartAsync();
        var client = server.Client();
        Assert.Throws<InvalidOperationException>(() => client.UnaryAsync(EchoMetadata, new CallOptions(credentials: Token("a"))));
    }

    [Theory]
    [InlineData("http://localhost:1", true)]
    [InlineData("https://localhost:1", false)]
    public void Credentials_fit_the_scheme_of_the_address(string address, bool secure) =>
        Assert.Throws<InvalidOperationException>(() => GrpcChannel.ForAddress(
            address, new GrpcChannelOptions { Credentials = secure ? ChannelCredentials.SecureSsl : ChannelCredentials.Insecure }));

    [Theory]
    [InlineData("dns:///localhost:1")]
    [InlineData("https://localhost:1/path")]
    public void An_address_is_a_scheme_a_host_and_a_port(string address) =>
        Assert.Throws<ArgumentException>(() => GrpcChannel.ForAddress(address));

    private static CallCredentials Token(string key) => CallCredentials.FromInterceptor((_, metadata) =>
    {
        metadata.Add(key, "t");
        return Task.CompletedTask;
    });
}
