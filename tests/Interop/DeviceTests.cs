using System.Globalization;
using System.Text;
using WgMesh.Tests.Shared;
using Xunit.Abstractions;

namespace WgMesh.Interop.Tests;

/// <summary><c>wgmesh-agent device</c> among the tools that people use with wireguard-go.</summary>
[Trait("needs", "system")]
public sealed class DeviceTests : IDisposable
{
    private readonly ITestOutputHelper _output;
    private readonly Wire _wire = new();
    private readonly NamespaceHost _ours;
    private readonly NamespaceHost _theirs;

    public DeviceTests(ITestOutputHelper output)
    {
        _output = output;
        var lan = new Lan(_wire);
        _theirs = NamespaceHost.StartWireGuardGo(lan, 2);
        _ours = NamespaceHost.StartWgMesh(lan, 1);
        _ours.AddPeer(_theirs, knowsEndpoint: true);
        _theirs.AddPeer(_ours, knowsEndpoint: false);
    }

    private string Socket => $"/var/run/wireguard/{_ours.Interface}.sock";

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
        _wire.Dispose();
    }

    /// <summary>How containers are given the tunnel and nothing else.</summary>
    [Fact]
    public void An_interface_that_moves_to_another_namespace_leaves_its_socket_behind_and_goes_on()
    {
        _ours.Ping(_theirs);
        using var container = new NetNamespace();
        _ours.Ip($"link set {_ours.Interface} netns {container.Name}");
        container.Ip($"addr add {_ours.Overlay(false)}/24 dev {_ours.Interface}");
        container.Ip($"link set {_ours.Interface} mtu 1300 up");

        var output = container.Exec("ping", "-n", "-c", "3", "-i", "0.2", "-W", "60", "-M", "do", "-s", "1272", _theirs.Overlay(false));
        Assert.Contains(" 0% packet loss", output, StringComparison.Ordinal);
        _theirs.Ping(_ours);
        Assert.Contains($":{_ours.Port} ", _ours.Exec("ss", "-lun"), StringComparison.Ordinal);
        Assert.Empty(container.Exec("ss", "-Hlun").Trim());

        // and a port that is set now is bound where the first one was
        _ours.Exec("wg", "set", _ours.Interface, "listen-port", "40404");
        Assert.Contains(":40404 ", _ours.Exec("ss", "-lun"), StringComparison.Ordinal);
        container.Exec("ping", "-n", "-c", "1", "-W", "60", _theirs.Overlay(false));

        container.Ip($"link del {_ours.Interface}");
        Assert.True(_ours.Program.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, _ours.Program.ExitCode);
        Assert.False(File.Exists(Socket));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Deleting_the_interface_or_its_socket_ends_it_and_leaves_nothing(bool deleteInterface)
    {
        _ours.Ping(_theirs);
        var port = _ours.Port;
        if (deleteInterface)
        {
            _ours.Ip($"link del {_ours.Interface}");
        }
        else
        {
            File.Delete(Socket);
        }

        Assert.True(_ours.Program.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, _ours.Program.ExitCode);
        Assert.False(File.Exists(Socket));
        Assert.DoesNotContain(_ours.Interface, _ours.Ip("link"), StringComparison.Ordinal);
        Assert.DoesNotContain($":{port} ", _ours.Exec("ss", "-lun"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_hundred_and_thirty_thousand_allowed_IPs_come_in_one_setconf()
    {
        var configuration = new StringBuilder($"[Peer]\nPublicKey = {_theirs.PublicKey}\nEndpoint = {_theirs.Endpoint(false)}\nAllowedIPs = {_theirs.Overlay(false)}/32\n");
        for (var i = 0; i < 130_000; i++)
        {
            configuration.Append(CultureInfo.InvariantCulture, $"AllowedIPs = 11.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32\n");
        }

        SetConfiguration(configuration, limit: TimeSpan.FromSeconds(15));
        Assert.Equal(130_001, _ours.Exec("wg", "show", _ours.Interface, "allowed-ips").Split('\t')[1].Split(' ').Length);
        _ours.Ping(_theirs);
    }

    [Fact]
    public void Sixty_five_thousand_peers_come_in_one_setconf()
    {
        var random = new Random(1);
        var key = new byte[32];
        var configuration = new StringBuilder($"[Peer]\nPublicKey = {_theirs.PublicKey}\nEndpoint = {_theirs.Endpoint(false)}\nAllowedIPs = {_theirs.Overlay(false)}/32\n");
        for (var i = 1; i < 65_536; i++)
        {
            random.NextBytes(key); // every 32 bytes are somebody's public key
            configuration.Append(CultureInfo.InvariantCulture, $"[Peer]\nPublicKey = {Convert.ToBase64String(key)}\nAllowedIPs = 11.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32\n");
        }

        SetConfiguration(configuration, limit: TimeSpan.FromMinutes(2));
        Assert.Equal(65_536, _ours.Exec("wg", "show", _ours.Interface, "peers").Trim().Split('\n').Length);
        _ours.Ping(_theirs);
    }

    /// <param name="limit">Of processor time: many times what it takes, and yet less than anything quadratic would.</param>
    private void SetConfiguration(StringBuilder configuration, TimeSpan limit)
    {
        var file = Path.GetTempFileName();
        try
        {
            var key = _ours.Exec("wg", "show", _ours.Interface, "private-key").Trim();
            File.WriteAllText(file, $"[Interface]\nPrivateKey = {key}\nListenPort = {_ours.Port}\n{configuration}");
            var before = _ours.Program.TotalProcessorTime;
            _ours.Exec("wg", "setconf", _ours.Interface, file);
            _ours.Program.Refresh();
            var spent = _ours.Program.TotalProcessorTime - before;
            _output.WriteLine($"processor time of wgmesh-agent: {spent.TotalMilliseconds:0} ms, resident: {_ours.Program.WorkingSet64 >> 20} MiB");
            Assert.True(spent < limit, $"it took {spent}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
