using System.Text;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;

namespace WgMesh.Fuzz.Targets;

/// <summary>The body of a set of the UAPI: it is a change or an error that names a line and repeats no secret.</summary>
internal sealed class UapiTarget : MessageTarget
{
    private const string Key = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private const string OtherKey = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";
    private const string Secret = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a";

    /// <summary>Whole requests' bodies, also for those who speak over a socket.</summary>
    internal static readonly byte[][] Bodies = [.. new[]
    {
        $"private_key={Secret}\nlisten_port=51820\nfwmark=51820\nreplace_peers=true\n",
        $"public_key={Key}\npreshared_key={Secret}\nendpoint=192.0.2.1:51820\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
            + "allowed_ip=10.0.0.0/8\nallowed_ip=-10.1.0.0/16\nallowed_ip=fd00::/64\nprotocol_version=1\n",
        $"public_key={Key}\nupdate_only=true\nendpoint=[2001:db8::1]:65535\npublic_key={OtherKey}\nremove=true\n",
        $"listen_port=0\npublic_key={OtherKey}\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\nallowed_ip=::ffff:1.2.3.4/128\n",
        "",
    }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>Words of the protocol, and numbers that are nearly right.</summary>
    internal static readonly byte[][] Words = [.. new[]
    {
        "\n", "=", "true", "false", "-", "/", ":", "[", "]", "%", ".", "0", "00", "1e3", "+1", "65536", "4294967296", "/129", "/33", "::", "fe80::1%9", "é", "\0", "\r\n",
        "private_key=", "listen_port=", "fwmark=", "replace_peers=", "public_key=", "remove=", "update_only=", "preshared_key=", "endpoint=",
        "persistent_keepalive_interval=", "replace_allowed_ips=", "allowed_ip=", "protocol_version=", "errno=", "get=1\n\n", "set=1\n", Secret, Key, $"public_key={Key}\n",
        "allowed_ip=10.0.0.1/32\n", new string('1', 8192),
    }.Select(Encoding.UTF8.GetBytes)];

    /// <inheritdoc/>
    public override string Name => "uapi";

    /// <inheritdoc/>
    protected override IReadOnlyList<byte[]> Corpus => Bodies;

    /// <inheritdoc/>
    protected override IReadOnlyList<byte[]> Tokens => Words;

    /// <inheritdoc/>
    protected override int MemoryPerByte => 64;

    /// <inheritdoc/>
    protected override void Take(byte[] input)
    {
        var (update, error) = UapiParser.Parse(input);
        Require(update is null != error is null, "a set is neither a change nor an error, or both");
        if (error is not null)
        {
            Require(error.Errno is DeviceError.InvalidArgument or UapiParser.ProtocolError, $"the error is {error.Errno}");
            Require(error.Message.StartsWith("Line ", StringComparison.Ordinal), "the error names no line");
            Require(!error.Message.Contains(Secret[..16], StringComparison.OrdinalIgnoreCase), "the error repeats a secret");
            return;
        }

        // what was taken says the same when it is asked for
        foreach (var peer in update!.Peers)
        {
            Require(peer.AllowedIps.All(change => change.Prefix.Length <= change.Prefix.Bits), "a prefix is longer than an address");
            peer.PresharedKey?.Dispose();
        }

        update.PrivateKey?.Dispose();
    }
}
