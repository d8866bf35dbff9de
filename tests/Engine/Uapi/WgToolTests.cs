using System.ComponentModel;
using System.Diagnostics;
using WgMesh.Engine.Device;
using WgMesh.Engine.Uapi;

namespace WgMesh.Engine.Tests.Uapi;

/// <summary>The real <c>wg</c> against the server, in the directory where it looks for sockets.</summary>
[Trait("needs", "system")]
public sealed class WgToolTests : IAsyncLifetime
{
    private readonly string _name = $"wgt{Random.Shared.Next(0x1000000):x6}";
    private readonly string _directory = Directory.CreateTempSubdirectory("wgtool").FullName;
    private readonly DeviceModel _device;
    private readonly UapiServer _server;

    public WgToolTests()
    {
        _device = new DeviceModel(_name);
        _server = UapiServer.Start(_name, _device.Apply, _device.Snapshot);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Set_reaches_the_device_and_show_tells_it()
    {
        var (privateKey, publicKey) = await NewKeyAsync();
        var (_, peerKey) = await NewKeyAsync();
        var presharedKey = (await WgAsync("genpsk")).Trim();
        await WgAsync(
            "set", _name, "private-key", await FileAsync(privateKey), "listen-port", "51999", "fwmark", "0xca6c",
            "peer", peerKey, "preshared-key", await FileAsync(presharedKey), "endpoint", "[2001:db8::7]:4711", "persistent-keepalive", "25",
            "allowed-ips", "10.9.0.0/16,fd09::/64,10.9.1.1/24");
        _device.SetStatistics(Key(peerKey), DateTimeOffset.UnixEpoch.AddSeconds(1_700_000_000), 12345, 67890);

        Assert.Contains(_name, (await WgAsync("show", "interfaces")).Split([' ', '\n']));
        Assert.Equal(publicKey, (await WgAsync("show", _name, "public-key")).Trim());
        Assert.Equal(
            [
                $"{privateKey}\t{publicKey}\t51999\t0xca6c",
                $"{peerKey}\t{presharedKey}\t[2001:db8::7]:4711\t10.9.0.0/16,10.9.1.0/24,fd09::/64\t1700000000\t12345\t67890\t25",
            ],
            (await WgAsync("show", _name, "dump")).TrimEnd().Split('\n'));

        var shown = await WgAsync("show", _name);
        Assert.Contains("latest handshake: ", shown, StringComparison.Ordinal);
        Assert.Contains("persistent keepalive: every 25 seconds", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_device_that_is_not_configured_is_shown()
    {
        Assert.Equal("(none)\t(none)\t0\toff", (await WgAsync("show", _name, "dump")).Trim());
        Assert.Contains($"interface: {_name}", await WgAsync("show", _name), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Peers_and_keys_are_removed()
    {
        var (privateKey, _) = await NewKeyAsync();
        var (_, first) = await NewKeyAsync();
        var (_, second) = await NewKeyAsync();
        await WgAsync(
            "set", _name, "private-key", await FileAsync(privateKey),
            "peer", first, "allowed-ips", "10.1.0.0/16", "peer", second, "allowed-ips", "10.2.0.0/16");
        await WgAsync("set", _name, "peer", first, "remove");
        Assert.Equal(second, (await WgAsync("show", _name, "peers")).Trim());
        await WgAsync("set", _name, "peer", second, "allowed-ips", "");
        Assert.Equal($"{second}\t(none)", (await WgAsync("show", _name, "allowed-ips")).Trim());
        await WgAsync("set", _name, "private-key", "/dev/null");
        Assert.Equal("(none)", (await WgAsync("show", _name, "private-key")).Trim());
    }

    [Fact]
    public async Task An_allowed_IP_moves_to_the_peer_that_was_given_it_last()
    {
        var (_, first) = await NewKeyAsync();
        var (_, second) = await NewKeyAsync();
        await WgAsync("set", _name, "peer", first, "allowed-ips", "192.168.32.0/24,192.168.32.19/32");
        await WgAsync("set", _name, "peer", second, "allowed-ips", "192.168.32.19/32");
        Assert.Equal(
            [$"{first}\t192.168.32.0/24", $"{second}\t192.168.32.19/32"], (await WgAsync("show", _name, "allowed-ips")).TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task What_showconf_writes_setconf_and_syncconf_take()
    {
        var (privateKey, _) = await NewKeyAsync();
        var (_, first) = await NewKeyAsync();
        var (_, second) = await NewKeyAsync();
        var configuration = await FileAsync(
            $"""
            [Interface]
            PrivateKey = {privateKey}
            ListenPort = 51998

            [Peer]
            PublicKey = {first}
            AllowedIPs = 10.1.0.0/16, fd01::/64
            Endpoint = 192.0.2.1:1

            """);
        await WgAsync("setconf", _name, configuration);
        Assert.True(_device.Updates[^1].ReplacePeers);
        var shown = await WgAsync("showconf", _name);
        Assert.Contains($"PrivateKey = {privateKey}", shown, StringComparison.Ordinal);
        Assert.Contains("AllowedIPs = 10.1.0.0/16, fd01::/64", shown, StringComparison.Ordinal);

        await WgAsync("set", _name, "peer", second, "allowed-ips", "10.2.0.0/16");
        await WgAsync("syncconf", _name, await FileAsync(shown));
        Assert.Equal(first, (await WgAsync("show", _name, "peers")).Trim());
        Assert.Equal(shown, await WgAsync("showconf", _name));

        await WgAsync("addconf", _name, await FileAsync($"[Peer]\nPublicKey = {second}\nAllowedIPs = 10.3.0.0/16\n"));
        Assert.Equal(2, _device.Snapshot().Peers.Length);
    }

    [Fact]
    public async Task A_hundred_and_thirty_thousand_allowed_IPs_go_through_setconf_and_back()
    {
        var (_, peer) = await NewKeyAsync();
        var prefixes = Enumerable.Range(0, 130_000).Select(i => $"AllowedIPs = 10.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32");
        await WgAsync("setconf", _name, await FileAsync($"[Interface]\nListenPort = 1\n[Peer]\nPublicKey = {peer}\n{string.Join('\n', prefixes)}\n"));
        Assert.Equal(130_000, _device.Snapshot().Peers.Single().AllowedIps.Length);
        Assert.Equal(130_001, (await WgAsync("show", _name, "allowed-ips")).Split([' ', '\t']).Length);
    }

    [Fact]
    public async Task What_the_device_refuses_wg_reports()
    {
        _device.Error = new DeviceError(DeviceError.AddressInUse, "The port is taken.");
        var (code, _, error) = await RunWgAsync("set", _name, "listen-port", "1");
        Assert.NotEqual(0, code);
        Assert.Contains("Address already in use", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_the_end_wg_sees_no_interface()
    {
        await _server.DisposeAsync();
        var (code, _, _) = await RunWgAsync("show", _name);
        Assert.NotEqual(0, code);
        Assert.DoesNotContain(_name, await WgAsync("show", "interfaces"), StringComparison.Ordinal);
    }

    private static PublicKey Key(string base64) => PublicKey.TryParseBase64(base64, out var key) ? key : throw new FormatException(base64);

    private static async Task<(string Private, string Public)> NewKeyAsync()
    {
        var privateKey = (await WgAsync("genkey")).Trim();
        var (code, publicKey, error) = await RunAsync("wg", ["pubkey"], privateKey);
        return code == 0 ? (privateKey, publicKey.Trim()) : throw new InvalidOperationException(error);
    }

    private async Task<string> FileAsync(string content)
    {
        var path = System.IO.Path.Combine(_directory, System.IO.Path.GetRandomFileName());
        await File.WriteAllTextAsync(path, content);
        return path;
    }

    private static async Task<string> WgAsync(params string[] arguments)
    {
        var (code, output, error) = await RunWgAsync(arguments);
        return code == 0 ? output : throw new InvalidOperationException($"wg {arguments[0]} ended with {code}: {error}");
    }

    private static Task<(int Code, string Output, string Error)> RunWgAsync(params string[] arguments) => RunAsync("wg", arguments, "");

    private static async Task<(int Code, string Output, string Error)> RunAsync(string program, IEnumerable<string> arguments, string input)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"{program} is missing: install the package wireguard-tools.", e);
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(patience.Token);
            var error = process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }
}
