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
    private readonly Process? _process; // null until the namespace is ready for it

    /// <exception cref="InvalidOperationException">The program made no interface, or there was no place for it.</exception>
    public IdleDevice(string program, CancellationToken stop)
    {
        try
        {
            // without ARP everything leaves at once, and nobody is at the other end
            _home.Ip("link add lost type veth peer name end");
            _home.Ip("link set lost arp off up");
            _home.Ip("link set end arp off up");
            _home.Ip("addr add 198.18.0.1/15 dev lost");
            // a folder of its own for the socket: whoever watches one is woken by every other device's
            _process = _home.Start("unshare", "--mount", "sh", "-c", "mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && exec \"$@\"", "sh", program, "device", "--foreground", Name);
            var socket = $"/proc/{_process.Id}/root/run/wireguard/{Name}.sock";
            SpinWait.SpinUntil(() => _process.HasExited || File.Exists(socket) || stop.IsCancellationRequested, Patience);
            stop.ThrowIfCancellationRequested();
            if (_process.HasExited || !File.Exists(socket))
                throw new InvalidOperationException($"{program} made no interface.");
            _home.Ip($"link set {Name} up");
        }
        catch
        {
            Dispose();
            throw;
        }
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
            NetNamespace.Command("nsenter", "--mount", "--net", $"--target={_process!.Id}", "wg", "setconf", Name, file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public Usage Read() => Usage.Of(_process!.Id);

    public void Dispose()
    {
        try
        {
            End();
        }
        finally
        {
            _process?.Dispose();
            _home.Dispose();
        }
    }

    private void End()
    {
        if (_process is null || _process.HasExited)
            return;
        // told first, so that it ends in order; it may be ending already, having heard the terminal's Ctrl-C too
        NetNamespace.Command("sh", "-c", $"kill -TERM {_process.Id} 2>/dev/null || true");
        if (!_process.WaitForExit(Patience))
        {
            _process.Kill();
            _process.WaitForExit();
        }
    }

    // every 32 bytes are a public key, and nobody has the private ones
    private static string Key() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
