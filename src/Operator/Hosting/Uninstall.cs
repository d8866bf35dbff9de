using System.Globalization;
using System.Text.Json.Nodes;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Hosting;

/// <summary>
/// Asks all nodes to release, waits for those whose agents are connected, and takes the question back, so that what is installed next takes part.
/// The answer is the operator's: all that is needed here is to read and to patch the WireGuardMesh.
/// </summary>
/// <param name="limit">For so long it waits.</param>
/// <param name="output">Is told how far it is.</param>
internal sealed class Uninstall(KubernetesClient client, TimeSpan limit, TimeProvider time, TextWriter output)
{
    /// <summary>Owns <c>spec.released</c> while it asks.</summary>
    public const string Manager = "wgmesh-uninstall";

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private StoredResource? _asked; // it may know of the question
    private string? _told;

    /// <summary>Does so.</summary>
    /// <returns>Whether that was possible: false if the API server refused or could not be asked at all. Nodes that do not release are told of.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        try
        {
            if (await AskAsync(started, cancellationToken) is { } asked)
                await WaitAsync(asked, started, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is ApiException or HttpRequestException)
        {
            await output.WriteLineAsync(e is ApiException { StatusCode: 403 }
                ? $"Whoever runs this needs the rights get and patch on wireguardmeshes of wgmesh.io: {e.Message}"
                : e.Message);
            return false;
        }
        finally
        {
            if (_asked is not null)
                await TakeBackAsync(_asked);
        }
    }

    /// <summary>Null: there is nobody to ask.</summary>
    private async Task<StoredResource?> AskAsync(long started, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var mesh = await client.GetAsync(CustomResources.StoredMeshes, WireGuardMesh.DefaultName, null, cancellationToken);
                _asked = mesh;
                var asked = await ApplyAsync(mesh, new JsonObject { ["released"] = true }, cancellationToken);
                await output.WriteLineAsync("All nodes are asked to release.");
                return asked;
            }
            catch (Exception e) when (e is ApiException or HttpRequestException)
            {
                if (e is ApiException)
                    _asked = null;
                if (e is ApiException { StatusCode: 404 })
                {
                    await output.WriteLineAsync("There is no WireGuardMesh default, so no node is in a mesh: nothing to do.");
                    return null;
                }

                if (!IsPassing(e) || time.GetElapsedTime(started) >= limit)
                    throw;
                await TellAsync($"It is tried again: {e.Message}");
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

    private async Task WaitAsync(StoredResource asked, long started, CancellationToken cancellationToken)
    {
        var condition = (Condition?)null;
        while (time.GetElapsedTime(started) < limit)
        {
            await Task.Delay(Pause, time, cancellationToken);
            try
            {
                var mesh = await client.FindAsync(CustomResources.StoredMeshes, WireGuardMesh.DefaultName, null, cancellationToken);
                if (mesh is null || mesh.Metadata.Uid != asked.Metadata.Uid)
                {
                    await output.WriteLineAsync("The WireGuardMesh was deleted, so there is nobody to wait for.");
                    return;
                }

                condition = mesh.ReadMeshStatus()?.Conditions.Find(one => one.Type == "Ready"
                    && one.Reason is MeshReason.Releasing or MeshReason.PartlyReleased or MeshReason.Released
                    && one.ObservedGeneration >= asked.Metadata.Generation);
            }
            catch (Exception e) when (e is ApiException or HttpRequestException)
            {
                await TellAsync($"It is tried again: {e.Message}");
                continue;
            }

            if (condition is null)
                continue;
            await TellAsync(condition.Message!);
            if (condition.Reason == MeshReason.Released)
                return;
            if (condition.Reason == MeshReason.PartlyReleased)
            {
                await TellByHandAsync();
                return;
            }
        }

        var seconds = limit.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        await output.WriteLineAsync(condition is null
            ? $"No operator answered within {seconds} s, so no node is known to have released. Does one run?"
            : $"Not all nodes released within {seconds} s. {condition.Message}");
        await TellByHandAsync();
    }

    private Task TellByHandAsync() =>
        output.WriteLineAsync("On a node that has not released, `wgmesh-agent cleanup` does it by hand when its agent is gone.");

    /// <summary>Also if it was cancelled: or whatever is installed next would release at once.</summary>
    private async Task TakeBackAsync(StoredResource asked)
    {
        try
        {
            var left = await ApplyAsync(asked, null, CancellationToken.None);
            if (left.Spec?["released"]?.ToJsonString() == "true")
                await output.WriteLineAsync("spec.released of WireGuardMesh default stays true, for others set it too: set it to false before nodes take part again.");
        }
        catch (ApiException e) when (e.StatusCode is 404 or 409)
        {
            // it was deleted
        }
        catch (Exception e) when (e is ApiException or HttpRequestException)
        {
            await output.WriteLineAsync($"spec.released of WireGuardMesh default may still be true: set it to false before nodes take part again. {e.Message}");
        }
    }

    // with the uid, so that none is made, nor one that was made meanwhile changed
    private Task<StoredResource> ApplyAsync(StoredResource mesh, JsonObject? spec, CancellationToken cancellationToken)
    {
        var item = new JsonObject { ["metadata"] = new JsonObject { ["name"] = mesh.Metadata.Name, ["uid"] = mesh.Metadata.Uid } };
        if (spec is not null)
            item["spec"] = spec;
        return client.ApplyAsync(CustomResources.StoredMeshes, item, Manager, force: true, cancellationToken);
    }

    private static bool IsPassing(Exception e) => e is HttpRequestException or ApiException { StatusCode: 409 or 429 or >= 500 };

    private async Task TellAsync(string text)
    {
        if (text == _told)
            return;
        _told = text;
        await output.WriteLineAsync(text);
    }
}
