using System.Buffers;
using System.Text.Json;
using Google.Protobuf;
using WgMesh.NodeAgent.Identity;
using WgMesh.NodeAgent.Telemetry;
using WgMesh.Rpc;

namespace WgMesh.NodeAgent.Sync;

/// <summary>
/// The last good configuration, in a file that only its owner may read (it holds preshared keys): with it an agent starts while
/// operator and API server are away. <c>{"format":1,"node":"a","config":{…}}</c>, the configuration in protobuf's JSON.
/// </summary>
internal sealed class ConfigCache(string stateFolder, string node, ILogger log)
{
    internal const string FileName = "config.json";
    private const int Format = 1;

    // fields that a newer agent wrote are no reason to have no configuration
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    private readonly string _path = Path.Combine(stateFolder, FileName);
    private readonly Lock _writing = new();

    /// <summary>Reads it.</summary>
    /// <returns>Null if there is none, or none that is of use; the log then says why. Not yet checked field by field.</returns>
    internal NodeConfig? Load()
    {
        if (!File.Exists(_path))
        {
            return null;
        }

        try
        {
            if (!PrivateFile.SecureFile(_path))
            {
                log.ModeRepaired(_path, "0600");
            }

            using var document = JsonDocument.Parse(File.ReadAllBytes(_path));
            var format = document.RootElement.GetProperty("format").GetInt32();
            if (format != Format)
            {
                log.CacheIgnored(_path, $"its format is {format}, this agent reads {Format}");
                return null;
            }

            var owner = document.RootElement.GetProperty("node").GetString();
            if (owner != node)
            {
                log.CacheIgnored(_path, $"it is of node '{owner}', this is '{node}'");
                return null;
            }

            return Parser.Parse<NodeConfig>(document.RootElement.GetProperty("config").GetRawText());
        }
        catch (Exception e) when (e is JsonException or InvalidProtocolBufferException or InvalidJsonException or KeyNotFoundException
            or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException)
        {
            // the message alone could quote the file, and so a key
            log.CacheIgnored(_path, $"it cannot be read ({e.GetType().Name})");
            return null;
        }
    }

    /// <summary>Replaces it. A disk that is full or read-only costs the cache, not the tunnels.</summary>
    internal void Save(NodeConfig config)
    {
        try
        {
            var content = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(content))
            {
                json.WriteStartObject();
                json.WriteNumber("format", Format);
                json.WriteString("node", node);
                json.WritePropertyName("config");
                json.WriteRawValue(JsonFormatter.Default.Format(config));
                json.WriteEndObject();
            }

            lock (_writing)
            {
                AtomicFile.RemoveLeftovers(_path);
                PrivateFile.Replace(_path, content.WrittenSpan);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.CacheNotSaved(_path, e.Message);
        }
    }

    /// <summary>Deletes it, with what writers that were killed left of it: the next start knows of no mesh.</summary>
    internal static void Delete(string stateFolder)
    {
        var path = Path.Combine(stateFolder, FileName);
        AtomicFile.RemoveLeftovers(path);
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }

    /// <inheritdoc cref="Delete(string)"/>
    internal void Delete()
    {
        lock (_writing)
        {
            Delete(stateFolder);
        }
    }
}
