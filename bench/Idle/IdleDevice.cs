using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using WgMesh.Tests.Shared;

namespace WgMesh.Idle;

/// <summary><c>wgmesh-agent device</c> in a network namespace of its own, where whatever it sends is lost.</summary>
internal sealed class IdleDevice : IDisposable
{
    private const string Name = "wg0";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly NetNamespace _home = new();
    private readonly Process _process;

    public IdleDevice(string program)
    {
        // without ARP everything leaves at once, and nobody is at the other end
        _home.Ip("link add lost type veth peer name end");
        _home.Ip("link set lost arp off up");
        _home.Ip("link set end arp off up");
        _home.Ip("addr add 198.18.0.1/15 dev lost");
        // a folder of its own for the socket: whoever watches one is woken by every other device's
        _process = _home.Start("unshare", "--mount", "sh", "-c", "mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && exec \"$@\"", "sh", program, "device", "--foreground", Name);
        if (!SpinWait.SpinUntil(() => _process.HasExited || File.Exists($"/proc/{_process.Id}/root/run/wireguard/{Name}.sock"), Patience) || _process.HasExited)
        {
            Dispose();
            throw new InvalidOperationException($"{program} made no interface.");
        }

        _home.Ip($"link set {Name} up");
    }

    /// <summary>Gives it peers, each with an endpoint and an allowed IP of either family, by <c>wg setconf</c>.</summary>
    public void Configure(int peers, int keepalive)
    {
        var text = new StringBuilder($"[Interface]\nPrivateKey = {Key()}\n");
        for (var i = 1; i <= peers; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"[Peer]\nPublicKey = {Key()}\nEndpoint = 198.19.{i >> 8}.{i & 255}:51820\n");
            text.Append(CultureInfo.InvariantCulture, $"AllowedIPs = 10.{i >> 8}.{i & 255}.0/24, fd00:0:0:{i:x}::/64\nPersistentKeepalive = {keepalive}\n");
        }

        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, text.ToString());
            NetNamespace.Command("nsenter", "--mount", "--net", $"--target={_process.Id}", "wg", "setconf", Name, file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public Usage Read() => Usage.Of(_process.Id);

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            NetNamespace.Command("kill", "-TERM", _process.Id.ToString(CultureInfo.InvariantCulture));
            if (!_process.WaitForExit(Patience))
            {
                _process.Kill();
                _process.WaitForExit();
            }
        }

        _process.Dispose();
        _home.Dispose();
    }

    // every 32 bytes are a public key, and nobody has the private ones
    private static string Key() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
