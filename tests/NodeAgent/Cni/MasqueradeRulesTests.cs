using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class MasqueradeRulesTests
{
    [Fact]
    public void One_transaction_puts_the_table_in_the_place_of_the_old_one() => Assert.Equal(
        """
        add table inet wgmesh
        delete table inet wgmesh
        table inet wgmesh {
        	set pods4 {
        		type ipv4_addr; flags interval;
        		elements = { 10.244.1.0/24 }
        	}
        	set own4 {
        		type ipv4_addr; flags interval;
        		elements = { 10.244.1.0/24, 10.90.0.1/32 }
        	}
        	set services4 {
        		type ipv4_addr; flags interval;
        		elements = { 10.96.0.0/16 }
        	}
        	set mesh4 {
        		type ipv4_addr; flags interval;
        		elements = { 10.244.0.0/16, 10.90.0.0/16, 10.99.0.1/32 }
        	}
        	set pods6 {
        		type ipv6_addr; flags interval;
        		elements = { fd00:244:1::/64 }
        	}
        	set own6 {
        		type ipv6_addr; flags interval;
        		elements = { fd00:244:1::/64, fd90::1/128 }
        	}
        	set services6 {
        		type ipv6_addr; flags interval;
        		elements = { fd00:96::/112 }
        	}
        	set mesh6 {
        		type ipv6_addr; flags interval;
        		elements = { fd00:244::/32, fd90::/64 }
        	}
        	chain into_mesh {
        		ip saddr @own4 return
        		ip saddr @mesh4 fib saddr type != local return
        		meta nfproto ipv4 fib saddr type local masquerade fully-random
        		meta nfproto ipv4 ct status dnat masquerade fully-random
        		ip6 saddr @own6 return
        		ip6 saddr @mesh6 fib saddr type != local return
        		meta nfproto ipv6 fib saddr type local masquerade fully-random
        		meta nfproto ipv6 ct status dnat masquerade fully-random
        	}
        	chain postrouting {
        		type nat hook postrouting priority 100; policy accept;
        		oifname "wg0" goto into_mesh
        		ip saddr @pods4 ip daddr != @mesh4 ip daddr != 224.0.0.0/4 masquerade fully-random
        		ip6 saddr @pods6 ip6 daddr != @mesh6 ip6 daddr != ff00::/8 masquerade fully-random
        	}
        	chain forward {
        		type filter hook forward priority 10; policy accept;
        		ip saddr @pods4 ip daddr @services4 drop
        		ip6 saddr @pods6 ip6 daddr @services6 drop
        	}
        }

        """,
        MasqueradeRules.Compose(Pods.Dual));

    [Fact]
    public void Nothing_is_masqueraded_into_the_mesh_in_a_family_in_which_the_node_has_no_address_there()
    {
        var rules = MasqueradeRules.Compose(Pods.Dual with { Addresses = Pods.List("10.90.0.1/32") });
        Assert.Contains("meta nfproto ipv4 fib saddr type local masquerade", rules, StringComparison.Ordinal);
        Assert.DoesNotContain("meta nfproto ipv6", rules, StringComparison.Ordinal);
    }

    [Fact]
    public void A_default_route_through_the_mesh_is_no_prefix_of_it() =>
        Assert.Equal(
            MasqueradeRules.Compose(Pods.Dual),
            MasqueradeRules.Compose(Pods.Dual with { MeshPrefixes = Pods.Dual.MeshPrefixes.AddRange(Pods.List("0.0.0.0/0", "::/0")) }));
}
