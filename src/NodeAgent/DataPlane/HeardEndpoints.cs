using System.Collections.Concurrent;
using System.Text;
using WgMesh.Engine;
using WgMesh.Engine.Device;
using WgMesh.NodeAgent.Identity;
using Endpoint = WgMesh.Engine.Endpoint; // not ASP.NET's

namespace WgMesh.NodeAgent.DataPlane;

/// <summary>
/// Where peers were last heard, in a file of the run folder. A laptop has no endpoint that anybody wrote down: without this, the next agent
/// could not call it, and it would only find out after 15 s that its session has gone with the agent before. Lines of a public key and an
/// endpoint. Lost is lost: then it is as it would be without.
/// </summary>
internal sealed class HeardEndpoints
{
    internal const string FileName = "endpoints";

    private readonly string _path;
    private readonly ConcurrentDictionary<PublicKey, Endpoint> _before = [];
    private string _written = "";

    /// <summary>Reads what the agent before has left.</summary>
    /// <param name="runFolder">Is there, and root's alone.</param>
    internal HeardEndpoints(string runFolder)
    {
        _path = Path.Combine(runFolder, FileName);
        try
        {
            foreach (var line in File.Exists(_path) ? File.ReadAllLines(_path) : [])
            {
                if (line.Split(' ') is [var name, var text] && PublicKey.TryParseBase64(name, out var key) && Endpoint.TryParse(text, out var endpoint))
                {
                    _before[key] = endpoint;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // as if there were none
        }
    }

    /// <summary>Gives a peer that is new to the device, and for which there is no endpoint, the one at which it was heard.</summary>
    internal DeviceUpdate Complete(DeviceUpdate update)
    {
        if (_before.IsEmpty || update.Peers.Count == 0)
        {
            return update;
        }

        // once: if the peer goes and comes again, this is too old to be believed
        return update with
        {
            Peers =
            [
                .. update.Peers.Select(peer => !peer.UpdateOnly && _before.TryRemove(peer.PublicKey, out var endpoint) && peer.Endpoint is null
                    ? peer with { Endpoint = endpoint }
                    : peer),
            ],
        };
    }

    /// <summary>Keeps where peers have been heard by now.</summary>
    internal void Keep(DeviceSnapshot device)
    {
        var text = new StringBuilder();
        foreach (var peer in device.Peers.Where(peer => peer.Endpoint.IsKnown))
        {
            text.Append(peer.PublicKey).Append(' ').Append(peer.Endpoint).Append('\n');
        }

        if (text.ToString() is var now && now == _written)
        {
            return;
        }

        try
        {
            PrivateFile.Replace(_path, Encoding.ASCII.GetBytes(now));
            _written = now;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // a run folder that is full or gone is no reason to do anything else differently
        }
    }

    /// <summary>Forgets everything.</summary>
    internal static void Delete(string runFolder)
    {
        var path = Path.Combine(runFolder, FileName);
        AtomicFile.RemoveLeftovers(path);
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }
}
