using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace WgMesh.NodeAgent.Cni;

/// <summary>
/// The folder in which the container runtime looks for plugins. Those it lacks are put there; what others put there is never touched.
/// A file beside them says what was put there, in the form of <c>sha256sum</c>, so that after a reboot, too, ours are known: for a newer
/// agent to renew, and to be taken away at the end.
/// </summary>
/// <param name="folder">The runtime's.</param>
/// <param name="source">Where the plugins to put there are; need not exist.</param>
internal sealed class PluginFolder(string folder, string source)
{
    /// <summary>What was put there, once and since: a line "HASH  NAME" each.</summary>
    internal const string RecordName = ".wgmesh-installed";

    private const UnixFileMode RecordMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly string _record = Path.Combine(folder, RecordName);
    private readonly Dictionary<string, (DateTime Changed, long Length, string? Fault)> _asked = [];
    private bool _renewed;

    /// <summary>
    /// Puts there what is missing; the first time, also what we put there and have in another version now. What others put there is asked
    /// whether it can be used, once and when it has changed.
    /// </summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Install()
    {
        if (FileFault.OfFolder(folder, "--cni-bin-dir") is { } missing)
        {
            return [missing];
        }

        ImmutableArray<string> faults = [.. Conflist.Plugins.Select(name => Install(name) ?? WhyUnusable(name)).OfType<string>()];
        _renewed |= faults.IsEmpty;
        return faults;
    }

    /// <summary>Takes away what we put there, unless somebody changed it.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Remove()
    {
        if (!Directory.Exists(folder))
        {
            return [];
        }

        ImmutableArray<string> faults = [.. Conflist.Plugins.Select(name => FileFault.Try(PathOf(name), () =>
        {
            AtomicFile.RemoveLeftovers(PathOf(name));
            if (IsOurs(name))
            {
                File.Delete(PathOf(name));
            }
        })).OfType<string>()];
        var last = faults.IsEmpty
            ? FileFault.Try(_record, () =>
            {
                AtomicFile.RemoveLeftovers(_record);
                File.Delete(_record);
            })
            : null;
        return last is null ? faults : [last];
    }

    private string? Install(string name) => FileFault.Try(PathOf(name), () =>
    {
        var (path, ours) = (PathOf(name), Path.Combine(source, name));
        AtomicFile.RemoveLeftovers(path);
        switch (File.Exists(path), File.Exists(ours))
        {
            // none of ours; whether it leads somewhere on the node cannot be seen from the agent's container
            case (true, _) when new FileInfo(path).LinkTarget is not null:
                return null;
            case (true, _) when (File.GetUnixFileMode(path) & Execute) == 0:
                return $"cni: {path} cannot be executed: make it so (chmod 755), or remove it";
            case (true, true) when !_renewed:
                Renew(name, path, ours);
                return null;
            case (true, _):
                return null;
            case (false, true):
                Put(name, ours, content => AtomicFile.TryCreate(path, content, RecordMode | Execute));
                return File.Exists(path) ? null : $"cni: {path} is in the way of the plugin: remove it";
            default:
                return $"cni: the plugin {name} is neither in {folder} nor in {source}: install the CNI reference plugins there (on Debian: the package containernetworking-plugins)";
        }
    });

    private string? WhyUnusable(string name)
    {
        var file = new FileInfo(PathOf(name));
        if (name == Conflist.Loopback || !file.Exists)
        {
            return null;
        }

        if (!_asked.TryGetValue(name, out var last) || last.Changed != file.LastWriteTimeUtc || last.Length != file.Length)
        {
            string? fault = null;
            var unread = FileFault.Try(file.FullName, () => fault = IsOurs(name) ? null : PluginVersion.WhyTooOld(file.FullName));
            last = _asked[name] = (file.LastWriteTimeUtc, file.Length, unread ?? fault);
        }

        return last.Fault;
    }

    private void Renew(string name, string path, string ours)
    {
        if (Line(name, File.ReadAllBytes(path)) != Line(name, File.ReadAllBytes(ours)) && IsOurs(name))
        {
            Put(name, ours, content => AtomicFile.Replace(path, content, RecordMode | Execute));
        }
    }

    // recorded first: what is there and recorded nowhere would be taken for somebody else's for ever
    private void Put(string name, string ours, Action<byte[]> write)
    {
        var content = File.ReadAllBytes(ours);
        var lines = ReadRecord();
        var line = Line(name, content);
        if (!lines.Contains(line))
        {
            AtomicFile.RemoveLeftovers(_record);
            AtomicFile.Replace(_record, Encoding.UTF8.GetBytes(string.Concat(lines.Append(line).Select(l => $"{l}\n"))), RecordMode);
        }

        write(content);
    }

    private bool IsOurs(string name) =>
        new FileInfo(PathOf(name)) is { Exists: true, LinkTarget: null }
        && ReadRecord() is { IsEmpty: false } record && record.Contains(Line(name, File.ReadAllBytes(PathOf(name))));

    private ImmutableArray<string> ReadRecord() => File.Exists(_record) ? [.. File.ReadAllLines(_record)] : [];

    private string PathOf(string name) => Path.Combine(folder, name);

    private static string Line(string name, byte[] content) => $"{Convert.ToHexStringLower(SHA256.HashData(content))}  {name}";
}
