using System.Text.Json;

namespace WgMesh.Kubernetes.Tests;

public class NodeTests
{
    // as `kubectl get node -o json` prints it, shortened only in the number of entries
    internal const string Printed = """
        {
          "apiVersion": "v1", "kind": "Node",
          "metadata": {
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
            "creationTimestamp": "2026-03-01T10:20:30Z",
            "labels": {"kubernetes.io/hostname": "worker-1"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": {}}}],
            "name": "worker-1", "resourceVersion": "1234", "uid": "6d1f0b2a-0000-4000-8000-000000000001"
          },
          "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"], "providerID": "x://1",
            "taints": [{"effect": "NoSchedule", "key": "node.kubernetes.io/not-ready"}]},
          "status": {
            "addresses": [{"address": "192.0.2.11", "type": "InternalIP"}, {"address": "worker-1", "type": "Hostname"}],
            "capacity": {"cpu": "2", "memory": "4026532Ki", "pods": "110"},
            "conditions": [{"lastHeartbeatTime": "2026-03-01T10:20:30Z", "message": "ok", "reason": "KubeletReady", "status": "True", "type": "Ready"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": [{"names": ["registry.example.org/pause:3.9"], "sizeBytes": 321520}],
            "nodeInfo": {"kubeletVersion": "v1.32.4"}
          }
        }
        """;

    [Fact]
    public void A_node_as_kubectl_prints_it_is_accepted_and_unknown_fields_are_left_out()
    {
        var node = JsonSerializer.Deserialize(Printed, KubernetesJson.Default.Node)!;

        Assert.Equal("worker-1", node.Metadata.Name);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 10, 20, 30, TimeSpan.Zero), node.Metadata.CreationTimestamp);
        Assert.Equal("worker-1", node.Metadata.Labels["kubernetes.io/hostname"]);
        Assert.Equal("10.244.1.0/24", node.Spec.PodCidr);
        Assert.Equal(["10.244.1.0/24", "fd00:10:244:1::/64"], node.Spec.PodCidrs);
        Assert.Equal([("InternalIP", "192.0.2.11"), ("Hostname", "worker-1")], node.Status.Addresses.Select(a => (a.Type, a.Address)));
    }

    [Fact]
    public void A_node_reads_back_as_it_was_written()
    {
        var node = JsonSerializer.Deserialize(Printed, KubernetesJson.Default.Node)!;
        node.Metadata.OwnerReferences.Add(new OwnerReference { ApiVersion = "v1", Kind = "Thing", Name = "t", Uid = "u", Controller = true });
        node.Metadata.Finalizers.Add("wgmesh.io/x");

        var text = JsonSerializer.Serialize(node, KubernetesJson.Default.Node);

        Assert.Equal(text, JsonSerializer.Serialize(JsonSerializer.Deserialize(text, KubernetesJson.Default.Node)!, KubernetesJson.Default.Node));
        Assert.Contains("\"podCIDRs\":[\"10.244.1.0/24\"", text, StringComparison.Ordinal);
        Assert.Contains("\"controller\":true", text, StringComparison.Ordinal);
    }
}
