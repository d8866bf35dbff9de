using System.Net;
using WgMesh.Engine.Routing;

namespace WgMesh.Engine.Tests.Routing;

public sealed class AllowedIpsTests
{
    private readonly AllowedIps<string> _table = new();
    private readonly string _a = new("A"), _b = new("B"), _c = new("C");

    [Fact] // the example of mission rule S12
    public void A_prefix_belongs_to_one_peer_and_the_longest_match_decides()
    {
        Assert.Null(Insert("192.168.32.0/24", _a));
        Assert.Null(Insert("192.168.32.19/32", _a));
        Assert.Same(_a, Insert("192.168.32.19/32", _b));

        Assert.Same(_b, Lookup("192.168.32.19"));
        Assert.Same(_a, Lookup("192.168.32.18"));
        Assert.Null(Lookup("192.168.33.1"));
        Assert.Equal(["192.168.32.0/24"], _table.List(_a).Select(p => p.ToString()));
        Assert.Equal(["192.168.32.19/32"], _table.List(_b).Select(p => p.ToString()));
        Assert.Equal(2, _table.Count);
    }

    [Fact]
    public void Giving_a_prefix_to_its_owner_changes_nothing()
    {
        Insert("10.0.0.0/8", _a);
        Assert.Same(_a, Insert("10.0.0.0/8", _a));
        Assert.Equal(1, _table.Count);
        Assert.Single(_table.List(_a));
    }

    [Fact]
    public void Only_the_owner_gives_up_a_prefix_and_only_that_prefix()
    {
        Insert("10.0.0.0/8", _a);
        Assert.False(Remove("10.0.0.0/8", _b));
        Assert.False(Remove("10.0.0.0/9", _a));
        Assert.False(Remove("10.0.0.0/7", _a));
        Assert.False(Remove("11.0.0.0/8", _a));
        Assert.Same(_a, Lookup("10.1.2.3"));
        Assert.True(Remove("10.0.0.0/8", _a));
        Assert.False(Remove("10.0.0.0/8", _a));
        Assert.Null(Lookup("10.1.2.3"));
        Assert.Equal(0, _table.Count);
    }

    [Theory]
    [InlineData("0.0.0.0/0", "::/0", "203.0.113.9", "2001:db8::1")]
    [InlineData("203.0.113.9/32", "2001:db8::1/128", "203.0.113.9", "2001:db8::1")]
    public void The_shortest_and_the_longest_prefixes_work_in_both_families(string ipv4, string ipv6, string inIPv4, string inIPv6)
    {
        Insert(ipv4, _a);
        Assert.Same(_a, Lookup(inIPv4));
        Assert.Null(Lookup(inIPv6)); // families do not mix
        Insert(ipv6, _b);
        Assert.Same(_a, Lookup(inIPv4));
        Assert.Same(_b, Lookup(inIPv6));
        Assert.True(Remove(ipv4, _a));
        Assert.True(Remove(ipv6, _b));
        Assert.Null(Lookup(inIPv4));
        Assert.Null(Lookup(inIPv6));
        Assert.Equal(0, _table.CountNodes());
    }

    [Fact]
    public void Prefixes_are_listed_in_address_order_IPv4_first()
    {
        string[] sorted =
        [
            "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.128.0.0/9", "192.168.0.0/16",
            "::/0", "fd00::/8", "fd00::1/128",
        ];
        foreach (var prefix in sorted.Reverse())
        {
            Insert(prefix, _a);
        }

        Insert("10.64.0.0/10", _b);
        Assert.Equal(sorted, _table.List(_a).Select(p => p.ToString()));
        Assert.Equal(
            sorted.Take(4).Append("10.64.0.0/10").Concat(sorted.Skip(4)),
            _table.Enumerate().Select(entry => entry.Prefix.ToString()));
        Assert.Same(_b, _table.Enumerate().Single(entry => entry.Prefix == Parse("10.64.0.0/10")).Owner);
    }

    [Fact]
    public void Removing_an_owner_leaves_the_others_theirs()
    {
        Insert("10.0.0.0/8", _a);
        Insert("10.1.0.0/16", _b);
        Insert("10.2.0.0/16", _b);
        Insert("fd00::/64", _b);
        Assert.Equal(3, _table.RemoveOwner(_b));
        Assert.Equal(0, _table.RemoveOwner(_b));
        Assert.Equal(0, _table.RemoveOwner(_c));
        Assert.Same(_a, Lookup("10.1.0.1"));
        Assert.Null(Lookup("fd00::1"));
        Assert.Empty(_table.List(_b));
        Assert.Equal(0, _table.CountNodes()); // one prefix alone needs none
    }

    [Fact]
    public void Owners_are_told_apart_by_reference()
    {
        var twin = new string(_a);
        Insert("10.0.0.0/8", _a);
        Assert.False(Remove("10.0.0.0/8", twin));
        Assert.Empty(_table.List(twin));
    }

    [Fact]
    public void Packets_are_looked_up_by_the_addresses_in_their_headers()
    {
        Insert("10.0.0.0/8", _a);
        Insert("192.0.2.0/24", _b);
        Insert("fd00::/8", _a);
        Insert("2001:db8::/32", _b);

        var ipv4 = new byte[20];
        ipv4[0] = 0x45;
        Write("10.1.2.3", ipv4.AsSpan(12));
        Write("192.0.2.77", ipv4.AsSpan(16));
        Assert.Same(_a, _table.LookupSource(ipv4));
        Assert.Same(_b, _table.LookupDestination(ipv4));

        var ipv6 = new byte[40];
        ipv6[0] = 0x60;
        Write("2001:db8::5", ipv6.AsSpan(8));
        Write("fd00::7", ipv6.AsSpan(24));
        Assert.Same(_b, _table.LookupSource(ipv6));
        Assert.Same(_a, _table.LookupDestination(ipv6));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_prefixes_one_in_another_at_every_length_each_has_what_is_in_no_longer_one(bool isIPv6)
    {
        var address = isIPv6 ? new UInt128(0xfd01_2345_6789_abcd, 0xef01_2345_6789_abcd) : 0x0a0b_0c0d;
        var prefixes = Enumerable.Range(0, (isIPv6 ? 128 : 32) + 1).Select(length => Prefix.Create(address, length, isIPv6)).ToArray();
        var owners = prefixes.Select(prefix => prefix.ToString()).ToArray();
        for (var i = 0; i < prefixes.Length; i++)
        {
            _table.Insert(prefixes[i], owners[i]);
        }

        // the address that leaves the path right behind a prefix is that prefix's; and when it goes, that of the one before
        for (var i = prefixes.Length - 1; i >= 0; i--)
        {
            var leaves = i == prefixes.Length - 1 ? address : address ^ (UInt128.One << (prefixes[i].Bits - 1 - i));
            Assert.Same(owners[i], Lookup(leaves, isIPv6));
            Assert.True(_table.Remove(prefixes[i], owners[i]));
            Assert.Same(i == 0 ? null : owners[i - 1], Lookup(leaves, isIPv6));
        }
    }

    [Fact]
    public void Prefixes_that_differ_in_the_last_bit_alone_need_one_node()
    {
        Insert("fd00::2/128", _a);
        Insert("fd00::3/128", _b);
        Assert.Same(_a, Lookup("fd00::2"));
        Assert.Same(_b, Lookup("fd00::3"));
        Assert.Null(Lookup("fd00::1"));
        Assert.Null(Lookup("fc00::2"));
        Assert.Equal(1, _table.CountNodes());
    }

    [Fact]
    public void A_prefix_that_goes_and_comes_again_is_listed_once()
    {
        Insert("10.0.0.0/8", _b);
        for (var i = 0; i < 100; i++)
        {
            Insert("10.1.0.0/16", _a);
            Insert("10.2.0.0/16", _a);
            Insert("10.1.0.0/16", _b);
        }

        Assert.Equal(["10.2.0.0/16"], _table.List(_a).Select(p => p.ToString()));
        Assert.Equal(["10.0.0.0/8", "10.1.0.0/16"], _table.List(_b).Select(p => p.ToString()));
        Assert.Equal(3, _table.Enumerate().Count);
        Assert.Equal(2, _table.RemoveOwner(_b));
        Assert.Equal(1, _table.Count);
    }

    [Fact]
    public void An_owner_without_prefixes_is_not_kept_alive()
    {
        var table = new AllowedIps<object>();
        var stays = new object();
        var gone = ComeAndGo();
        GC.Collect();
        Assert.All(gone, owner => Assert.False(owner.IsAlive));
        Assert.Equal(3, table.Count);
        GC.KeepAlive(table);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        WeakReference[] ComeAndGo()
        {
            object removed = new(), replaced = new(), lost = new();
            table.Insert(Parse("10.0.0.0/8"), removed);
            table.Insert(Parse("fd00::/8"), removed);
            table.Insert(Parse("10.1.0.0/16"), replaced);
            table.Insert(Parse("10.2.0.0/16"), lost);
            table.Insert(Parse("fd00::/16"), lost);
            table.Insert(Parse("fd00:1::/32"), stays);
            table.RemoveOwner(removed);
            table.Insert(Parse("10.1.0.0/16"), stays);
            table.Remove(Parse("10.2.0.0/16"), lost);
            table.Insert(Parse("fd00::/16"), stays);
            return [new(removed), new(replaced), new(lost)];
        }
    }

    [Theory]
    [InlineData(0x45, 0)]
    [InlineData(0x45, 19)]
    [InlineData(0x60, 39)]
    [InlineData(0x00, 60)]
    [InlineData(0x50, 60)]
    [InlineData(0xf0, 60)]
    public void A_malformed_packet_is_nobodys(byte firstByte, int length)
    {
        Insert("0.0.0.0/0", _a);
        Insert("::/0", _a);
        var packet = new byte[60];
        packet[0] = firstByte;
        Assert.Null(_table.LookupDestination(packet.AsSpan(0, length)));
        Assert.Null(_table.LookupSource(packet.AsSpan(0, length)));
    }

    private static Prefix Parse(string text) => Prefix.TryParse(text, out var prefix) ? prefix : throw new FormatException(text);

    private static void Write(string address, Span<byte> destination) => IPAddress.Parse(address).TryWriteBytes(destination, out _);

    private string? Insert(string prefix, string owner) => _table.Insert(Parse(prefix), owner);

    private bool Remove(string prefix, string owner) => _table.Remove(Parse(prefix), owner);

    private string? Lookup(string address)
    {
        var host = Parse(address);
        return Lookup(host.Address, host.IsIPv6);
    }

    private string? Lookup(UInt128 address, bool isIPv6) => isIPv6 ? _table.LookupIPv6(address) : _table.LookupIPv4((uint)address);
}
