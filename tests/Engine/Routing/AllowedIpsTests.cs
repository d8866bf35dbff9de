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
        Assert.Equal(1, _table.CountNodes());
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
        return host.IsIPv6 ? _table.LookupIPv6(host.Address) : _table.LookupIPv4((uint)host.Address);
    }
}
