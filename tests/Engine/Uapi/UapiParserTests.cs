using System.Text;
using FsCheck;
using FsCheck.Fluent;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;
using WgMesh.Tests.Shared;

namespace WgMesh.Engine.Tests.Uapi;

public sealed class UapiParserTests
{
    private const string Key1 = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private const string Key2 = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";
    private const string Secret = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a";

    [Fact]
    public void An_empty_body_changes_nothing()
    {
        var update = Parse("");
        Assert.Null(update.PrivateKey);
        Assert.Null(update.ListenPort);
        Assert.Null(update.FirewallMark);
        Assert.False(update.ReplacePeers);
        Assert.Empty(update.Peers);
    }

    [Fact] // the example of https://www.wireguard.com/xplatform/
    public void The_example_of_the_specification_is_read_to_the_last_line()
    {
        var update = Parse($"""
            private_key={Secret}
            fwmark=0
            listen_port=12912
            replace_peers=true
            public_key={Key1}
            preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52
            replace_allowed_ips=true
            allowed_ip=192.168.4.4/32
            endpoint=[abcd:23::33%2]:51820
            public_key={Key2}
            replace_allowed_ips=true
            allowed_ip=192.168.4.6/32
            persistent_keepalive_interval=111
            endpoint=182.122.22.19:3233
            public_key=662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58
            endpoint=5.152.198.39:51820
            replace_allowed_ips=true
            allowed_ip=192.168.4.10/32
            allowed_ip=192.168.4.11/32
            public_key=e818b58db5274087fcc1be5dc728cf53d3b5726b4cef6b9bab8f8f8c2452c25c
            remove=true
            """);

        Assert.Equal(new SecretKey(Convert.FromHexString(Secret)), update.PrivateKey);
        Assert.Equal((0u, (ushort)12912, true), (update.FirewallMark, update.ListenPort, update.ReplacePeers));
        Assert.Equal(4, update.Peers.Count);

        var first = update.Peers[0];
        Assert.Equal(new PublicKey(Convert.FromHexString(Key1)), first.PublicKey);
        Assert.StartsWith("188515", Convert.ToHexStringLower(first.PresharedKey!.Bytes), StringComparison.Ordinal);
        Assert.Equal(new Endpoint(new UInt128(0xabcd_0023_0000_0000, 0x33), 51820, true, 2), first.Endpoint);
        Assert.Null(first.PersistentKeepalive);
        Assert.False(first.Remove);

        Assert.Equal((ushort)111, update.Peers[1].PersistentKeepalive);
        Assert.Null(update.Peers[1].PresharedKey);
        Assert.True(update.Peers[2].ReplaceAllowedIps);
        Assert.Equal(["192.168.4.10/32", "192.168.4.11/32"], update.Peers[2].AllowedIps.Select(ip => ip.Prefix.ToString()));
        Assert.True(update.Peers[3].Remove);
        Assert.False(update.Peers[3].ReplaceAllowedIps);
    }

    [Fact]
    public void Flags_are_read()
    {
        var peer = Parse($"public_key={Key1}\nupdate_only=true\nprotocol_version=1\nreplace_allowed_ips=true\nremove=true\n").Peers.Single();
        Assert.Equal((true, true, true, 1u), (peer.UpdateOnly, peer.ReplaceAllowedIps, peer.Remove, peer.ProtocolVersion));
    }

    [Fact]
    public void Whether_a_version_is_spoken_is_for_the_device_to_say() =>
        Assert.Equal(7u, Parse($"public_key={Key1}\nprotocol_version=7\n").Peers.Single().ProtocolVersion);

    [Fact]
    public void Keys_are_hexadecimal_in_either_case()
    {
        var update = Parse($"private_key={Secret.ToUpperInvariant()}\npublic_key={Key1.ToUpperInvariant()}\n");
        Assert.Equal(new SecretKey(Convert.FromHexString(Secret)), update.PrivateKey);
        Assert.Equal(new PublicKey(Convert.FromHexString(Key1)), update.Peers.Single().PublicKey);
    }

    [Fact]
    public void A_key_of_zeros_is_passed_on_since_it_means_none()
    {
        var zeros = new string('0', 64);
        var update = Parse($"private_key={zeros}\npublic_key={Key1}\npreshared_key={zeros}\n");
        Assert.True(update.PrivateKey!.IsZero);
        Assert.True(update.Peers.Single().PresharedKey!.IsZero);
    }

    [Theory]
    [InlineData("192.0.2.1:1", false, "192.0.2.1:1")]
    [InlineData("[2001:db8::1]:65535", true, "[2001:db8::1]:65535")]
    [InlineData("[::ffff:192.0.2.1]:51820", false, "192.0.2.1:51820")]
    public void Endpoints_of_both_families_are_read_and_mapped_ones_become_IPv4(string text, bool isIPv6, string expected)
    {
        var endpoint = Parse($"public_key={Key1}\nendpoint={text}\n").Peers.Single().Endpoint!.Value;
        Assert.Equal((isIPv6, expected), (endpoint.IsIPv6, endpoint.ToString()));
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", false)]
    [InlineData("10.1.2.3/8", "10.0.0.0/8", false)]
    [InlineData("10.1.2.3", "10.1.2.3/32", false)]
    [InlineData("0.0.0.0/0", "0.0.0.0/0", false)]
    [InlineData("::/0", "::/0", false)]
    [InlineData("2001:DB8::1/128", "2001:db8::1/128", false)]
    [InlineData("-10.0.0.0/8", "10.0.0.0/8", true)]
    [InlineData("-fd00::/64", "fd00::/64", true)]
    public void Allowed_IPs_are_given_and_with_a_minus_taken_away(string text, string expected, bool remove)
    {
        var allowedIp = Parse($"public_key={Key1}\nallowed_ip={text}\n").Peers.Single().AllowedIps.Single();
        Assert.Equal((expected, remove), (allowedIp.Prefix.ToString(), allowedIp.Remove));
    }

    [Fact]
    public void The_same_peer_twice_is_two_changes_in_order()
    {
        var update = Parse($"public_key={Key1}\nremove=true\npublic_key={Key1}\nallowed_ip=10.0.0.0/8\n");
        Assert.Equal([true, false], update.Peers.Select(peer => peer.Remove));
        Assert.Equal([0, 1], update.Peers.Select(peer => peer.AllowedIps.Count));
    }

    [Fact]
    public void Of_a_key_given_twice_the_last_counts() =>
        Assert.Equal((ushort)2, Parse("listen_port=1\nlisten_port=2\n").ListenPort);

    [Fact]
    public void The_body_ends_with_the_first_empty_line() =>
        Assert.Null(Parse("listen_port=1\n\nfwmark=5\n").FirewallMark);

    [Theory]
    [InlineData("private_key=", "private_key has to be 64 hexadecimal digits")]
    [InlineData("private_key=" + Secret + "00", "private_key has to be 64 hexadecimal digits")]
    [InlineData("private_key=g84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a", "private_key has to be 64 hexadecimal digits")]
    [InlineData("listen_port=65536", "listen_port has to be a number from 0 to 65535")]
    [InlineData("listen_port=-1", "listen_port has to be a number from 0 to 65535")]
    [InlineData("listen_port= 1", "listen_port has to be a number from 0 to 65535")]
    [InlineData("listen_port=1\r", "listen_port has to be a number from 0 to 65535")]
    [InlineData("listen_port=", "listen_port has to be a number from 0 to 65535")]
    [InlineData("fwmark=4294967296", "fwmark has to be a decimal number of 32 bits, 0 for none")]
    [InlineData("fwmark=0x10", "fwmark has to be a decimal number of 32 bits, 0 for none")]
    [InlineData("replace_peers=1", "replace_peers has to be \"true\" or absent")]
    [InlineData("replace_peers=false", "replace_peers has to be \"true\" or absent")]
    [InlineData("mtu=1420", "mtu is not a key that can be set")]
    [InlineData("=1", "unknown key")]
    [InlineData("Listen_Port=1", "unknown key")]
    [InlineData("allowed_ip=10.0.0.0/8", "allowed_ip has to come after the public_key of a peer")]
    [InlineData("public_key=00", "public_key has to be 64 hexadecimal digits")]
    public void A_wrong_device_line_is_refused_with_what_would_be_right(string line, string reason) =>
        Refused($"listen_port=1\n{line}\n", DeviceError.InvalidArgument, $"Line 2: {reason}");

    [Theory]
    [InlineData("preshared_key=zz", "preshared_key has to be 64 hexadecimal digits")]
    [InlineData("endpoint=192.0.2.1", "endpoint has to be address:port")]
    [InlineData("endpoint=192.0.2.1:0", "endpoint has to be address:port")]
    [InlineData("endpoint=192.0.2.1:65536", "endpoint has to be address:port")]
    [InlineData("endpoint=192.0.02.1:5", "endpoint has to be address:port")]
    [InlineData("endpoint=2001:db8::1:5", "endpoint has to be address:port")]
    [InlineData("endpoint=example.com:51820", "endpoint has to be address:port")]
    [InlineData("endpoint=", "endpoint has to be address:port")]
    [InlineData("persistent_keepalive_interval=off", "persistent_keepalive_interval has to be a number of seconds from 0 to 65535")]
    [InlineData("persistent_keepalive_interval=65536", "persistent_keepalive_interval has to be a number of seconds from 0 to 65535")]
    [InlineData("replace_allowed_ips=yes", "replace_allowed_ips has to be \"true\" or absent")]
    [InlineData("update_only=", "update_only has to be \"true\" or absent")]
    [InlineData("remove=TRUE", "remove has to be \"true\" or absent")]
    [InlineData("protocol_version=0", "protocol_version has to be a number from 1 on")]
    [InlineData("protocol_version=", "protocol_version has to be a number from 1 on")]
    [InlineData("allowed_ip=10.0.0.0/33", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=::/129", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=10.0.0/8", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=010.0.0.0/8", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=10.0.0.0/", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=--10.0.0.0/8", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=fe80::1%lo/64", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=[::1]/64", "allowed_ip has to be a prefix")]
    [InlineData("allowed_ip=", "allowed_ip has to be a prefix")]
    [InlineData("listen_port=1", "listen_port has to come before the first public_key")]
    [InlineData("rx_bytes=1", "rx_bytes is not a key that can be set")]
    [InlineData("last_handshake_time_sec=1", "last_handshake_time_sec is not a key that can be set")]
    [InlineData("a_key_that_is_much_longer_than_any_other=1", "unknown key")]
    [InlineData("public_key=" + Key2 + "=", "public_key has to be 64 hexadecimal digits")]
    public void A_wrong_peer_line_is_refused_with_what_would_be_right(string line, string reason) =>
        Refused($"public_key={Key1}\nremove=true\n{line}\n", DeviceError.InvalidArgument, $"Line 3: {reason}");

    [Theory]
    [InlineData("listen_port")]
    [InlineData("garbage")]
    public void A_line_without_an_equals_sign_is_not_the_protocol(string line) =>
        Refused($"{line}\n", UapiParser.ProtocolError, "Line 1: not of the form key=value");

    [Fact]
    public void The_first_wrong_line_decides() =>
        Refused("listen_port=1\nlisten_port=x\ngarbage\nfwmark=x\n", DeviceError.InvalidArgument, "Line 2: listen_port");

    [Theory]
    [InlineData("private_key=" + Secret + "0")]
    [InlineData(Secret)]
    [InlineData(Secret + "=1")]
    [InlineData("6EtabScXwQA6E7QxVwNT26ypFGzxUMX4V1aA/rpSAno=")]
    [InlineData("public_key=" + Key1 + "\npreshared_key=" + Secret + " ")]
    [InlineData("public_key=" + Key1 + "\nendpoint=" + Secret)]
    [InlineData("public_key=" + Key1 + "\nallowed_ip=" + Secret)]
    [InlineData("listen_port=" + Secret)]
    public void A_reason_repeats_no_secret_wherever_it_was_misplaced(string body)
    {
        var result = UapiParser.Parse(Encoding.ASCII.GetBytes(body));
        Assert.Null(result.Update);
        Assert.DoesNotContain(Secret[..16], result.Error!.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("6EtabScX", result.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_update_prints_without_its_secrets()
    {
        var update = Parse($"private_key={Secret}\npublic_key={Key1}\npreshared_key={Secret}\n");
        var printed = $"{update} {update.Peers.Single()}";
        Assert.DoesNotContain(Secret, printed, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("(hidden)", printed, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hundred_and_thirty_thousand_allowed_IPs_are_read_fast()
    {
        var body = new StringBuilder($"replace_peers=true\npublic_key={Key1}\nreplace_allowed_ips=true\n");
        for (var i = 0; i < 130_000; i++)
        {
            body.Append(i % 2 == 0
                ? $"allowed_ip=10.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32\n"
                : $"allowed_ip=fd00::{i >> 16:x}:{i & 0xffff:x}/128\n");
        }

        var bytes = Encoding.ASCII.GetBytes(body.ToString());
        UapiParseResult result = default;
        var took = ThreadClock.Measure(() => result = UapiParser.Parse(bytes));
        Assert.InRange(took.TotalSeconds, 0, 5); // a tenth of a second is usual
        var peer = result.Update!.Peers.Single();
        Assert.Equal(130_000, peer.AllowedIps.Select(ip => ip.Prefix).Distinct().Count());
    }

    [Fact]
    public void Garbage_is_refused_and_never_throws() =>
        Prop.ForAll<byte[]>(Judged).Check(Properties.Config(1000));

    [Fact]
    public void Neither_do_lines_that_are_nearly_right()
    {
        string[] keys =
        [
            "private_key", "listen_port", "fwmark", "replace_peers", "public_key", "remove", "update_only", "preshared_key", "endpoint",
            "persistent_keepalive_interval", "replace_allowed_ips", "allowed_ip", "protocol_version", "errno", "",
        ];
        string[] values =
        [
            Secret, Key1, "true", "false", "0", "1", "65535", "65536", "-1", "10.0.0.0/8", "-10.0.0.0/8", "::/0",
            "1.2.3.4:5", "[::1]:5", "[fe80::1%9]:5", "", "=", "é", "/", "::", "[", "0.0.0.0/00000000000000000000000000008", "%", "1.2.3.4/-1", "[]:1", ":1", "1e3", "+1",
        ];
        var line =
            from key in Gen.Elements(keys)
            from value in Gen.Elements(values)
            from separator in Gen.Frequency((9, Gen.Constant("=")), (1, Gen.Elements("", "==", " = ")))
            select $"{key}{separator}{value}\n";
        Prop.ForAll(line.ListOf().ToArbitrary(), lines => Judged(Encoding.UTF8.GetBytes(string.Concat(lines))))
            .Check(Properties.Config(1000));
    }

    private static bool Judged(byte[] body)
    {
        var result = UapiParser.Parse(body);
        return result.Update is not null
            ? result.Error is null
            : result.Error!.Errno is DeviceError.InvalidArgument or UapiParser.ProtocolError
                && result.Error.Message.StartsWith("Line ", StringComparison.Ordinal);
    }

    private static DeviceUpdate Parse(string body)
    {
        var result = UapiParser.Parse(Encoding.ASCII.GetBytes(body));
        Assert.Null(result.Error);
        return result.Update!;
    }

    private static void Refused(string body, int errno, string reason)
    {
        var result = UapiParser.Parse(Encoding.ASCII.GetBytes(body));
        Assert.Null(result.Update);
        Assert.Equal(errno, result.Error!.Errno);
        Assert.StartsWith(reason, result.Error.Message, StringComparison.Ordinal);
    }
}
