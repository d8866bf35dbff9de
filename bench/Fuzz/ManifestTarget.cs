using System.Text;
using WgMesh.Crds;
using WgMesh.Fuzz.Targets;
using WgMesh.Kubernetes;

namespace WgMesh.Fuzz;

/// <summary>YAML and JSON that people write: it is read, or the problem is told.</summary>
internal sealed class ManifestTarget : MessageTarget
{
    private static readonly byte[][] Files = [.. new[]
    {
        """
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardPeer
        metadata: {name: laptop, labels: {a: "b"}}
        spec:
          publicKey: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
          endpoint: {host: "2001:db8::1", port: 51820}
          allowedIPs: [10.99.0.1/32, "fd00::/64"]
          presharedKeySecretRef: {name: psk}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: psk}
        stringData: {presharedKey: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=}
        """,
        """
        # a mesh and a node
        apiVersion: wgmesh.io/v1alpha1
        kind: WireGuardMesh
        metadata: {name: default}
        spec:
          podCIDRs: &pods [10.244.0.0/16]
          serviceCIDRs: *pods
          mtu: 1420
          failurePolicy: Closed
        ---
        apiVersion: v1
        kind: Node
        metadata:
          name: a
          creationTimestamp: "2026-01-01T00:00:00Z"
        spec: {podCIDR: 10.244.1.0/24}
        status:
          addresses:
          - type: InternalIP
            address: 192.0.2.1
        """,
        """{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "b"}, "data": {"x": "aGk="}}]}""",
    }.Select(Encoding.UTF8.GetBytes)];

    private static readonly byte[][] Words = [.. new[]
    {
        "\n", "---\n", "...\n", "- ", ": ", "? ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "!!int ", "!<", "|2\n", ">-\n", "'", "\"", "\\u", "\\UFFFFFFFF", "<<: ", "%YAML 1.2\n", "%TAG ! x:\n",
        "#", "\t", "~", "null", "0x1F", "1e309", "\u2028", "\uFEFF", "kind: List\nitems: ", "apiVersion: v1\n", "a: &a [*a]", "é", "\0",
    }.Select(Encoding.UTF8.GetBytes)];

    /// <inheritdoc/>
    public override string Name => "manifest";

    /// <inheritdoc/>
    protected override IReadOnlyList<byte[]> Corpus => Files;

    /// <inheritdoc/>
    protected override IReadOnlyList<byte[]> Tokens => Words;

    /// <inheritdoc/>
    protected override int MemoryPerByte => 16 * 1024; // an alias stands for a whole tree; how many there may be is bounded

    /// <inheritdoc/>
    protected override void Take(byte[] input)
    {
        var set = ManifestReader.Read([ManifestFile.Parse("fuzz.yaml", Encoding.UTF8.GetString(input))]);
        Require(set.Problems.All(problem => problem.ToString().Length > 0), "a problem is not told");
    }
}
