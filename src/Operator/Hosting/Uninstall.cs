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

    /// <summary>That all have released is to have stood for so long: an agent that has just come is seen in the status a second or two later.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);

    /// <summary>That some are away is to have stood for so long: an agent, or the operator it speaks with, may be about to come again.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>For so long it is tried to take the question back; then whoever runs this is to do so anew.</summary>
    private static readonly TimeSpan TakeBackLimit = TimeSpan.FromSeconds(30);

    private StoredResource? _asked; // it knows of the question, or may
    private string? _told;

    /// <summary>Does so.</summary>
    /// <returns>
    /// Whether that was possible: false if the API server refused or could not be asked at all, or if the question may stand still. Nodes that do not
    /// release are told of.
    /// </returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var isDone = false;
        try
        {
            if (await AskAsync(started, cancellationToken) is { } asked)
                await WaitAsync(asked, started, cancellationToken);
            isDone = true;
        }
        catch (Exception e) when (e is ApiException or HttpRequestException)
        {
            await output.WriteLineAsync(e is ApiException { StatusCode: 403 }
                ? $"Whoever runs this needs the rights get and patch on wireguardmeshes of wgmesh.io: {e.Message}"
                : e.Message);
        }
        finally
        {
            if (_asked is not null)
                isDone &= await TakeBackAsync(_asked);
        }

        return isDone;
    }

    /// <summary>Null: there is nobody to ask.</summary>
    private async Task<StoredResource?> AskAsync(long started, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var mesh = await client.GetAsync(CustomResources.StoredMeshes, WireGuardMesh.DefaultName, null, cancellationToken);
                _asked = await AskAsync(mesh, cancellationToken);
                await output.WriteLineAsync("All nodes are asked to release.");
                return _asked;
            }
            catch (Exception e) when (e is ApiException or HttpRequestException)
            {
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

    private async Task<StoredResource> AskAsync(StoredResource mesh, CancellationToken cancellationToken)
    {
        try
        {
            return await ApplyAsync(mesh, new JsonObject { ["released"] = true }, cancellationToken);
        }
        catch (Exception e) when (e is not ApiException { StatusCode: >= 400 and < 500 })
        {
            _asked = mesh; // it may be stored all the same
            throw;
        }
    }

    private async Task WaitAsync(StoredResource asked, long started, CancellationToken cancellationToken)
    {
        var condition = (Condition?)null;
        var stands = (Words: (string?)null, Since: 0L); // what was answered, and since when
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
                stands = default;
                continue;
            }

            if (condition is null)
            {
                stands = default;
                continue;
            }

            await TellAsync(condition.Message!);
            var words = $"{condition.Reason} {condition.Message}";
            if (words != stands.Words)
                stands = (words, time.GetTimestamp());
            var stood = time.GetElapsedTime(stands.Since);
            if (condition.Reason == MeshReason.Released && stood >= Settling)
                return;
            if (condition.Reason == MeshReason.PartlyReleased && stood >= Patience)
            {
                await TellByHandAsync();
                return;
            }
        }

        if (condition?.Reason == MeshReason.Released)
            return;
        var seconds = limit.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        await output.WriteLineAsync(condition is null
            ? $"No operator answered within {seconds} s, so no node is known to have released. Does one run?"
            : $"Not all nodes released within {seconds} s. {condition.Message}");
        await TellByHandAsync();
    }

    private Task TellByHandAsync() =>
        output.WriteLineAsync("On a node that has not released, `wgmesh-agent cleanup` does it by hand when its agent is gone.");

    /// <summary>Also if it was cancelled: or whatever is installed next would release at once.</summary>
    /// <returns>Whether it is taken back.</returns>
    private async Task<bool> TakeBackAsync(StoredResource asked)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await TakeBackOnceAsync(asked);
                return true;
            }
            catch (Exception e) when (e is ApiException or HttpRequestException)
            {
                if (!IsPassing(e) || time.GetElapsedTime(started) >= TakeBackLimit)
                {
                    await output.WriteLineAsync(
                        $"spec.released of WireGuardMesh default may still be true: run this again, or set it to false, before nodes take part again. {e.Message}");
                    return false;
                }

                await TellAsync($"It is tried again: {e.Message}");
            }

            await Task.Delay(Pause, time, CancellationToken.None);
        }
    }

    private async Task TakeBackOnceAsync(StoredResource asked)
    {
        try
        {
            var left = await ApplyAsync(asked, null, CancellationToken.None);
            if (left.Spec?["released"]?.ToJsonString() == "true")
                await output.WriteLineAsync("spec.released of WireGuardMesh default stays true, for others set it too: set it to false before nodes take part again.");
        }
        catch (ApiException e) when (e.StatusCode is 404 or 409 or 422)
        {
            // it was deleted or made anew, and then the uid is refused; unless somebody has only written to it at the same time
            var mesh = await client.FindAsync(CustomResources.StoredMeshes, WireGuardMesh.DefaultName, null, CancellationToken.None);
            if (mesh?.Metadata.Uid == asked.Metadata.Uid)
                throw;
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
