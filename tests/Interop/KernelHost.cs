namespace WgMesh.Interop.Tests;

/// <summary>A host whose WireGuard is the Linux kernel's: a network namespace of a <see cref="KernelGuest"/>.</summary>
internal sealed class KernelHost : WireGuardHost
{
    private readonly KernelGuest _guest;

    public KernelHost(KernelGuest guest, Lan lan, int number)
        : base(lan, number)
    {
        _guest = guest;
        // busybox has an ip of its own, which knows too little
        _guest.Sh($"/usr/bin/ip netns add {Interface}");
        try
        {
            _guest.Sh($"/usr/bin/ip link add link eth0 name {Interface} mtu 1500 type macvlan mode bridge && /usr/bin/ip link set {Interface} netns {Interface}");
            Ip($"link set {Interface} name {Ethernet}");
            Ip($"link set lo up");
            Ip($"link set {Ethernet} up");
            Ip($"addr add {lan.Prefix(number, false)} dev {Ethernet}");
            Ip($"addr add {lan.Prefix(number, true)} dev {Ethernet} nodad");
            Ip($"link add {Interface} type wireguard");
            Configure();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Exec(string program, params string[] arguments) =>
        _guest.Sh($"/usr/bin/ip netns exec {Interface} {string.Join(' ', arguments.Prepend(program).Select(Quote))}");

    // the interfaces in a namespace go with it
    public override void Dispose() => _guest.Sh($"/usr/bin/ip netns del {Interface}");

    private static string Quote(string argument) => $"'{argument.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
