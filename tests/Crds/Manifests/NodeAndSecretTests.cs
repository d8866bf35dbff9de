using System.Text;
using static WgMesh.Crds.Tests.Reading;

namespace WgMesh.Crds.Tests;

public class NodeAndSecretTests
{
    private static string Node(string spec) => $"apiVersion: v1\nkind: Node\nmetadata: {{name: worker-1}}\nspec: {spec}\n";

    private static string Secret(string rest, string metadata = "{name: psk, namespace: wgmesh}") => $"apiVersion: v1\nkind: Secret\nmetadata: {metadata}\n{rest}\n";

    [Fact]
    public void A_node_as_kubectl_prints_it_is_accepted_with_all_its_fields()
    {
        var node = Assert.Single(Good("""
            apiVersion: v1
            kind: Node
            metadata:
              annotations:
                node.alpha.kubernetes.io/ttl: "0"
              creationTimestamp: "2026-03-01T10:20:30Z"
              labels:
                kubernetes.io/hostname: worker-1
              name: worker-1
              resourceVersion: "1234"
              uid: 6d1f0b2a-0000-4000-8000-000000000001
            spec:
              podCIDR: 10.244.1.0/24
              podCIDRs:
              - 10.244.1.0/24
              - fd00:10:244:1::/64
              taints:
              - effect: NoSchedule
                key: node.kubernetes.io/not-ready
            status:
              addresses:
              - address: 192.0.2.11
                type: InternalIP
              allocatable:
                cpu: "2"
              conditions:
              - lastHeartbeatTime: "2026-03-01T10:20:30Z"
                status: "True"
                type: Ready
              daemonEndpoints:
                kubeletEndpoint:
                  Port: 10250
              images:
              - names:
                - registry.example.org/pause:3.9
                sizeBytes: 321520
            """).Nodes);

        Assert.Equal("worker-1", node.Metadata.Name);
        Assert.Equal("192.0.2.11", Assert.Single(node.Status.Addresses).Address);
    }

    [Fact]
    public void A_node_that_has_only_one_of_podCIDR_and_podCIDRs_gets_the_other()
    {
        Assert.Equal(["10.244.1.0/24"], Good(Node("{podCIDR: 10.244.1.0/24}")).Nodes.Single().Spec.PodCidrs);
        Assert.Equal("10.244.1.0/24", Good(Node("{podCIDRs: [10.244.1.0/24]}")).Nodes.Single().Spec.PodCidr);
        Assert.Empty(Good(Node("{}")).Nodes.Single().Spec.PodCidrs);
    }

    [Fact]
    public void A_node_whose_pod_CIDRs_do_not_hold_is_refused()
    {
        Refused(Node("{podCIDR: 10.244.1.1/24}"), "spec.podCIDR", "10.244.1.1/24 has host bits; did you mean 10.244.1.0/24 or 10.244.1.1/32?");
        Refused(Node("{podCIDRs: [10.244.1.0/24, x/24]}"), "spec.podCIDRs[1]", "\"x/24\" is not a CIDR: \"x\" is neither an IPv4 nor an IPv6 address");
        Refused(Node("{podCIDR: 10.244.1.0/24, podCIDRs: [10.244.2.0/24]}"), "spec.podCIDR",
            "is \"10.244.1.0/24\", but spec.podCIDRs begins with \"10.244.2.0/24\"; they must be the same");
        Refused(Node("{podCIDRs: {}}"), "spec.podCIDRs", "is a mapping; a list is wanted");
    }

    [Fact]
    public void A_secret_is_read_with_its_values()
    {
        var secret = Assert.Single(Good(Secret("immutable: true\ntype: Opaque\ndata: {a: aGk=}\nstringData: {b: plain}")).Secrets);

        Assert.Equal(("wgmesh", "psk", "Opaque"), (secret.Metadata.Namespace, secret.Metadata.Name, secret.Type));
        Assert.Equal("hi", Encoding.UTF8.GetString(secret.Find("a")!));
        Assert.Equal("plain", Encoding.UTF8.GetString(secret.Find("b")!));
    }

    [Fact]
    public void Base64_over_several_lines_is_accepted() =>
        Assert.Equal("hi", Encoding.UTF8.GetString(Good(Secret("data:\n  a: |\n    aG\n    k=\n")).Secrets.Single().Find("a")!));

    [Theory]
    [InlineData("data: {a: verysecret%}", "data.a", "is not base64; values in plain text go into stringData")]
    [InlineData("data: {a: 271828}", "data.a", "is a number; a string is wanted; put it in quotes")]
    [InlineData("data: [verysecret]", "data", "is a list; a mapping is wanted")]
    [InlineData("data: verysecret", "data", "is a string; a mapping is wanted")]
    [InlineData("stringData: {a: {verysecret: 1}}", "stringData.a", "is a mapping; a string is wanted")]
    public void What_is_wrong_with_a_secret_is_said_without_its_value(string rest, string field, string message) => Refused(Secret(rest), field, message);

    [Fact]
    public void The_namespace_of_a_secret_must_be_able_to_name_one() =>
        Assert.Equal("metadata.namespace", ProblemOf(Secret("data: {}", "{name: a, namespace: A}")).Field);

    [Fact]
    public void A_secret_without_a_namespace_is_that_of_the_default_one()
    {
        var set = Read(Secret("data: {}", "{name: a}") + "---\n" + Secret("data: {}", "{name: a, namespace: default}"));
        Assert.Single(set.Secrets);
        Assert.Equal("metadata.name", Assert.Single(set.Problems).Field);
    }

    [Fact]
    public void A_key_in_a_field_for_a_name_is_not_shown()
    {
        foreach (var text in (string[])[
            PeerWith($"presharedKeySecretRef: {{name: {Key}}}"), PeerWith($"presharedKeySecretRef: {{name: a, key: {Key}}}"),
            PeerWith($"endpoint: {{host: {Key}, port: 1}}"), PeerWith($"allowedIPs: [{Key}]"), PeerWith($"\"{Key}\": 1"), PeerWith($"nodeName: {Key}"),
            Peer("{}", $"{{name: {Key}}}"), Secret($"data: {{{Key}: 1}}"), Mesh($"{{failurePolicy: {Key}}}"), $"kind: {Key}\napiVersion: {Key}"])
        {
            var set = Read(text);
            var said = string.Join('\n', set.Problems.Select(problem => problem.ToString()).Concat(set.Ignored.Select(ignored => ignored.ToString())));

            Assert.Contains("(a key, not shown)", said, StringComparison.Ordinal);
            Assert.DoesNotContain(Key[..20], said, StringComparison.OrdinalIgnoreCase);
        }
    }
}
