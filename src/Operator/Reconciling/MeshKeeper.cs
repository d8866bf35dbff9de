using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using WgMesh.Operator.Telemetry;

namespace WgMesh.Operator.Reconciling;

/// <summary>
/// Keeps the mesh's settings: there are always some, so that people find something to change, and those that were installed with the operator
/// (<c>--mesh-settings</c>) stay as they were installed. All others are people's.
/// </summary>
/// <param name="installed">What the spec is to say; null: nothing in particular.</param>
internal sealed class MeshKeeper(
    KubernetesCluster cluster, ApiWriter api, JsonObject? installed, EventRecorder events, OperatorMetrics metrics, TimeProvider time, ILogger logger)
{
    /// <summary>So long before it is tried again, and between two writes: somebody else may insist as much.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Works until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var failures = new FailureLog(logger, time);
        // what an earlier version installed, and this one does not, is given up by saying all of it once
        var isInstalled = installed is null;
        var view = cluster.View.Value;
        while (true)
        {
            if (isInstalled && view.Mesh is { } kept && Deviations(kept).Count == 0)
            {
                view = await cluster.View.NextAsync(view, cancellationToken);
                continue;
            }

            try
            {
                if (isInstalled && view.Mesh is { } mesh)
                    TellOfDeviations(mesh);
                await (installed is null ? api.CreateMeshAsync(cancellationToken) : api.ApplyMeshAsync(installed, cancellationToken));
                isInstalled = true;
                await Task.Delay(Pause, time, cancellationToken);
                view = await cluster.View.NextAsync(view, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                metrics.ReconcileFailed("mesh");
                failures.Failed("the settings of the mesh", e);
                await Task.Delay(Pause, time, cancellationToken);
                view = cluster.View.Value;
            }
        }
    }

    /// <summary>Names of fields that are not as they were installed.</summary>
    private List<string> Deviations(StoredResource mesh) => installed is null ? [] :
    [
        .. installed
            .Where(field => !JsonNode.DeepEquals(mesh.Spec is JsonObject spec ? spec[field.Key] : null, field.Value))
            .Select(field => $"spec.{field.Key}"),
    ];

    private void TellOfDeviations(StoredResource mesh) => events.Record(mesh, isWarning: true, "SettingsKept",
        $"{string.Join(" and ", Deviations(mesh))} of WireGuardMesh {WireGuardMesh.DefaultName} differs from what was installed, and is put back: "
        + "change it there (mesh.spec in the values of the Helm chart)");
}
