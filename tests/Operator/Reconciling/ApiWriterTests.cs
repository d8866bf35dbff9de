using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;
using WgMesh.Operator.Reconciling;
using WgMesh.Operator.Telemetry;
using WgMesh.Operator.Tests.Telemetry;

namespace WgMesh.Operator.Tests.Reconciling;

[Collection(OperatorMetersCollection.Name)]
public class ApiWriterTests
{
    [Fact]
    public async Task Who_does_not_hold_the_lease_any_more_writes_nothing()
    {
        var writes = new Refusing();
        using var client = new KubernetesClient(new KubernetesClientConfiguration { Host = new Uri("http://127.0.0.1:9") }, null, writes);
        using var metrics = new OperatorMetrics(new AgentRegistry());
        var isLeader = false;
        var api = new ApiWriter(client, () => isLeader, metrics);
        Func<Task>[] all =
        [
            () => api.CreateMeshAsync(CancellationToken.None),
            () => api.CreateNodePeerAsync(new Node { Metadata = { Name = "a" } }, CancellationToken.None),
            () => api.ApplyNodePeerAsync(new ObjectMeta { Name = "a" }, [], CancellationToken.None),
            () => api.ApplyStatusAsync(CustomResources.StoredPeers, new ObjectMeta { Name = "a" }, [], ApiWriter.GatewaysManager, CancellationToken.None),
        ];

        foreach (var write in all)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(write);
        Assert.Equal(0, writes.Count);

        isLeader = true;
        foreach (var write in all)
            Assert.Equal(422, (await Assert.ThrowsAsync<ApiException>(write)).StatusCode);
        Assert.Equal(all.Length, writes.Count);
    }

    /// <summary>Answers instead of a server.</summary>
    private sealed class Refusing : DelegatingHandler
    {
        private int _count;

        public int Count => _count;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            return Task.FromResult(new HttpResponseMessage(System.Net.HttpStatusCode.UnprocessableEntity) { RequestMessage = request });
        }
    }
}
