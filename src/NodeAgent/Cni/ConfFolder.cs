using WgMesh.NodeAgent.Identity;

namespace WgMesh.NodeAgent.Cni;

/// <summary>The folder in which the container runtime looks for network configurations. Only our own file in it is ever touched.</summary>
internal sealed class ConfFolder(string folder)
{
    /// <summary>Runtimes take the first by name.</summary>
    internal const string FileName = "10-wgmesh.conflist";

    // what libcni, and so every runtime, takes for configurations
    private static readonly string[] Endings = [".conf", ".conflist", ".json"];

    private readonly string _path = Path.Combine(folder, FileName);

    /// <summary>Writes our file unless it is so already.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Write(byte[] content)
    {
        if (FileFault.OfFolder(folder, "--cni-conf-dir") is { } missing)
        {
            return [missing];
        }

        var fault = FileFault.Try(_path, () =>
        {
            AtomicFile.RemoveLeftovers(_path);
            if (!File.Exists(_path) || !File.ReadAllBytes(_path).AsSpan().SequenceEqual(content))
            {
                PrivateFile.Replace(_path, content);
            }
        });
        return [.. new[] { fault, FileFault.Try(folder, WhoComesFirst) }.OfType<string>()];
    }

    /// <summary>Reads our file, if there is one and pods are connected by it.</summary>
    /// <returns>The content, or null; and null, or what went wrong.</returns>
    internal (byte[]? Content, string? Fault) ReadIfInForce()
    {
        byte[]? content = null;
        var fault = FileFault.Try(_path, () => content = File.Exists(_path) && WhoComesFirst() is null ? File.ReadAllBytes(_path) : null);
        return (content, fault);
    }

    /// <summary>Removes our file.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal string? Remove() => !Directory.Exists(folder) ? null : FileFault.Try(_path, () =>
    {
        AtomicFile.RemoveLeftovers(_path);
        File.Delete(_path);
    });

    private string? WhoComesFirst()
    {
        var first = Directory.EnumerateFiles(folder)
            .Select(path => Path.GetFileName(path))
            .Where(name => Endings.Contains(Path.GetExtension(name)))
            .Min(StringComparer.Ordinal);
        return first is null or FileName || string.CompareOrdinal(first, FileName) > 0
            ? null
            : $"cni: {Path.Combine(folder, first)} comes before {FileName}, so the container runtime connects pods by it; remove it, or install with cni.mode=none";
    }
}
