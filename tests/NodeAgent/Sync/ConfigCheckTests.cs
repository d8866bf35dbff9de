using Google.Protobuf;
using WgMesh.NodeAgent.Sync;
using WgMesh.Rpc;
using static WgMesh.NodeAgent.Tests.Sync.Configs;

namespace WgMesh.NodeAgent.Tests.Sync;

public sealed class ConfigCheckTests
{
    private static readonly WgMesh.Engine.PublicKey OwnKey = Key("own");

    public static TheoryData<string, Action<NodeConfig>, string[]> Wrong => new()
    {
        { "no settings", c => c.Settings = null, ["settings", "missing"] },
        { "another node", c => c.Settings.Node = "z", ["settings.node", "'z'", "'a'"] },
        { "no service CIDR", c => c.Settings.ServiceCidrs.Add("10.0.0.0"), ["settings.service_cidrs[1]", "'10.0.0.0'", "10.244.1.0/24"] },
        { "no CIDR", c => c.Settings.MeshCidrs.Add("10.0.0.0"), ["settings.mesh_cidrs[2]", "'10.0.0.0'", "10.244.1.0/24"] },
        { "length too large", c => c.Settings.PodCidrs.Add("10.0.0.0/33"), ["settings.pod_cidrs[1]", "'10.0.0.0/33'"] },
        { "host bits", c => c.Peers[0].AllowedIps.Add("10.7.0.1/24"), ["peer 'b'", "allowed_ips[2]", "host bits", "10.7.0.0/24"] },
        { "host bits, IPv6", c => c.Peers[0].AllowedIps.Add("fd00::1/64"), ["peer 'b'", "fd00::/64"] },
        { "address without length", c => c.Settings.Addresses.Add("10.90.0.9"), ["settings.addresses[2]", "'10.90.0.9'"] },
        { "prefix as address", c => c.Settings.Addresses.Add("10.90.0.0/24"), ["settings.addresses", "10.90.0.0/24", "32"] },
        { "port", c => c.Settings.ListenPort = 65536, ["settings.listen_port", "65536"] },
        { "MTU", c => c.Settings.Mtu = 1279, ["settings.mtu", "1279", "1280"] },
        { "policy", c => c.Settings.FailurePolicy = (FailurePolicy)7, ["settings.failure_policy", "7"] },
        { "31 bytes", c => c.Peers[0].PublicKey = ByteString.CopyFrom(new byte[31]), ["peer 'b'", "public_key", "31", "32"] },
        { "no key", c => c.Peers[0].PublicKey = ByteString.Empty, ["peer 'b'", "public_key", "0 bytes"] },
        { "zero key", c => c.Peers[0].PublicKey = ByteString.CopyFrom(new byte[32]), ["peer 'b'", "public_key", "zero"] },
        { "own key", c => c.Peers[0].PublicKey = ByteString.CopyFrom(OwnKey.ToArray()), ["peer 'b'", "own"] },
        { "same key twice", c => c.Peers[1].PublicKey = c.Peers[0].PublicKey, ["peer 'c'", "public_key", "'b'"] },
        { "same name twice", c => c.Peers[1].Name = "b", ["peer 'b'", "twice"] },
        { "no name", c => c.Peers[1].Name = "", ["peers[1].name", "empty"] },
        { "preshared key", c => c.Peers[0].PresharedKey = ByteString.CopyFrom(new byte[33]), ["peer 'b'", "preshared_key", "33"] },
        { "endpoint without port", c => c.Peers[0].Endpoint = "192.0.2.9", ["peer 'b'", "endpoint", "'192.0.2.9'"] },
        { "port 0", c => c.Peers[0].Endpoint = "192.0.2.9:0", ["peer 'b'", "endpoint"] },
        { "bare IPv6", c => c.Peers[0].Endpoint = "2001:db8::1:51820", ["peer 'b'", "endpoint", "[2001:db8::1]:51820"] },
        { "mistyped address", c => c.Peers[0].Endpoint = "192.0.2.300:51820", ["peer 'b'", "endpoint"] },
        { "short address", c => c.Peers[0].Endpoint = "10.1:51820", ["peer 'b'", "endpoint"] },
        { "keepalive", c => c.Peers[0].PersistentKeepalive = 65536, ["peer 'b'", "persistent_keepalive", "65535"] },
        { "version", c => c.Peers[0].ProtocolVersion = 2, ["peer 'b'", "protocol_version", "2", "speaks 1"] },
        { "one prefix, two owners", c => c.Peers[1].AllowedIps.Add("10.244.2.0/24"), ["peer 'c'", "10.244.2.0/24", "'b'"] },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_field_that_does_not_hold_is_named_with_what_would_be_right(string what, Action<NodeConfig> spoil, string[] said)
    {
        var config = Config(1, Node("b"), Node("c")).With(spoil);

        Assert.Null(CheckedConfig.From(config, "a", OwnKey, [1], out var errors));
        var error = Assert.Single(errors);
        Assert.All(said, part => Assert.True(error.Contains(part, StringComparison.Ordinal), $"{what}: '{part}' is not in: {error}"));
    }

    [Fact]
    public void All_errors_are_told_at_once_and_not_without_end()
    {
        var config = Config(1);
        config.Settings.MeshCidrs.AddRange(Enumerable.Repeat("x", 100));

        CheckedConfig.From(config, "a", OwnKey, [1], out var errors);

        Assert.Equal(21, errors.Length);
        Assert.Equal("and 80 more", errors[^1]);
    }

    [Fact]
    public void A_preshared_key_is_never_in_an_error()
    {
        var secret = Enumerable.Range(1, 33).Select(i => (byte)i).ToArray();
        var config = Config(1, Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(secret)));

        CheckedConfig.From(config, "a", OwnKey, [1], out var errors);

        Assert.DoesNotContain(Convert.ToBase64String(secret)[..8], string.Join(' ', errors), StringComparison.Ordinal);
    }

    [Fact]
    public void What_holds_comes_out_as_it_went_in()
    {
        var config = Config(
            7,
            Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(Enumerable.Repeat((byte)9, 32).ToArray())),
            External("laptop", "", "10.99.0.2/32", "fd99::2/128"),
            External("site", "gw.example.net:4500", "10.50.0.0/16"))
            .With(c => c.Settings.Mtu = 1380);

        var good = CheckedConfig.From(config, "a", OwnKey, [1], out var errors);

        Assert.Empty(errors);
        Assert.NotNull(good);
        Assert.Equal(7UL, good.Revision);
        Assert.Equal(["10.90.0.1/32", "fd90::1/128"], good.Addresses.Select(a => a.ToString()));
        Assert.Equal(["10.244.0.0/16", "10.90.0.0/24"], good.MeshCidrs.Select(a => a.ToString()));
        Assert.Equal(["10.96.0.0/16"], good.ServiceCidrs.Select(a => a.ToString()));
        Assert.Equal(51820, good.ListenPort);
        Assert.Equal(1380, good.Mtu);
        Assert.True(good.Closed);
        Assert.Equal(["b", "laptop", "site"], good.Peers.Select(p => p.Name));
        Assert.Equal(new HostAndPort("192.0.2.2", 51820), good.Peers[0].Endpoint);
        Assert.Equal(9, good.Peers[0].PresharedKey!.Bytes[0]);
        Assert.Null(good.Peers[1].Endpoint);
        Assert.Null(good.Peers[1].PresharedKey);
        Assert.False(good.Peers[1].IsNode);
        Assert.Equal(new HostAndPort("gw.example.net", 4500), good.Peers[2].Endpoint);
    }

    [Theory]
    [InlineData(0, 1)] // an operator that does not know of versions
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    public void A_version_that_the_device_speaks_is_taken(uint told, uint taken)
    {
        var good = CheckedConfig.From(Config(1, Node("b").With(p => p.ProtocolVersion = told)), "a", OwnKey, [1, 2], out _);
        Assert.Equal(taken, good!.Peers[0].ProtocolVersion);
    }

    [Fact]
    public void Of_a_device_that_has_left_version_1_behind_it_is_not_taken()
    {
        Assert.Null(CheckedConfig.From(Config(1, Node("b").With(p => p.ProtocolVersion = 0)), "a", OwnKey, [2, 3], out var errors));
        Assert.Contains("protocol_version is 1, which this agent does not speak; it speaks 2, 3.", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void A_preshared_key_of_zeros_is_none()
    {
        var config = Config(1, Node("b").With(p => p.PresharedKey = ByteString.CopyFrom(new byte[32])));

        Assert.Null(CheckedConfig.From(config, "a", OwnKey, [1], out _)!.Peers[0].PresharedKey);
    }

    [Theory]
    [InlineData("192.0.2.1:1", "192.0.2.1", 1)]
    [InlineData("[2001:db8::1]:65535", "2001:db8::1", 65535)]
    [InlineData("gw.example.net:51820", "gw.example.net", 51820)]
    [InlineData("gw.example.net.:51820", "gw.example.net.", 51820)]
    [InlineData("localhost:51820", "localhost", 51820)]
    public void An_endpoint_is_an_address_or_a_name_with_a_port(string text, string host, int port)
    {
        Assert.True(HostAndPort.TryParse(text, out var parsed));
        Assert.Equal(new HostAndPort(host, (ushort)port), parsed);
        Assert.Equal(text, parsed.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(":1")]
    [InlineData("host")]
    [InlineData("host:")]
    [InlineData("host:65536")]
    [InlineData("host:+1")]
    [InlineData("[192.0.2.1]:1")]
    [InlineData("[gw.example.net]:1")]
    [InlineData("a b:1")]
    [InlineData("1234:1")]
    [InlineData(".:1")]
    public void Anything_else_is_not(string text) => Assert.False(HostAndPort.TryParse(text, out _));
}
