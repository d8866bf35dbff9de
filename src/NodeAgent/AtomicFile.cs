using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using WgMesh.NodeAgent.Interop;

namespace WgMesh.NodeAgent;

/// <summary>
/// Files written so that a reader (also one after a power cut) sees the old content or the new, never a part: a temporary file beside
/// it, fsync, rename, fsync of the folder.
/// </summary>
internal static partial class AtomicFile
{
    /// <summary>Writes the file, in place of the one that is there.</summary>
    internal static void Replace(string path, ReadOnlySpan<byte> content, UnixFileMode mode) => Write(path, content, mode, temporary =>
    {
        File.Move(temporary, path, overwrite: true);
        return true;
    });

    /// <summary>Writes the file unless there is one.</summary>
    /// <returns>False: there was one, and it is as it was.</returns>
    internal static bool TryCreate(string path, ReadOnlySpan<byte> content, UnixFileMode mode) => Write(path, content, mode, temporary =>
    {
        // a link, since File.Move looks first and then renames: of two processes both would see no file
        if (Unistd.Link(temporary, path) == 0)
        {
            return true;
        }

        return Marshal.GetLastPInvokeError() == Unistd.Eexist
            ? false
            : throw new IOException($"{path} cannot be made: {Marshal.GetLastPInvokeErrorMessage()}");
    });

    /// <summary>Removes temporary files of this file, which writers that were killed left beside it. No writer may be at work.</summary>
    internal static void RemoveLeftovers(string path)
    {
        var (folder, name) = (Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path));
        if (!Directory.Exists(folder))
        {
            return;
        }

        foreach (var file in Directory.EnumerateFiles(folder, $"{name}.*.new").Where(file => IsTemporary(Path.GetFileName(file), name)))
        {
            File.Delete(file);
        }
    }

    /// <summary>Whether a file name is that of a temporary file of another one.</summary>
    internal static bool IsTemporary(string name, string of) =>
        name.StartsWith(of, StringComparison.Ordinal) && TemporaryEnding.IsMatch(name.AsSpan(of.Length));

    private static bool Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, Func<string, bool> putInPlace)
    {
        var temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():n}.new";
        try
        {
            // the mode is given at creation: there is no moment at which others could open what they must not
            using (var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = mode,
                BufferSize = 0,
            }))
            {
                File.SetUnixFileMode(file.SafeFileHandle, mode); // less the umask until now
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            var done = putInPlace(temporary);
            SyncFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return done;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // without it the rename may be lost with the power, and with it a key that peers already know
    private static void SyncFolder(string folder)
    {
        var fd = Unistd.Open(folder, Unistd.ReadOnly | Unistd.Directory | Unistd.CloseOnExec);
        if (fd < 0 || Unistd.Fsync(fd) != 0)
        {
            var error = Marshal.GetLastPInvokeErrorMessage();
            _ = fd < 0 ? 0 : Unistd.Close(fd);
            throw new IOException($"fsync of {folder}: {error}");
        }

        _ = Unistd.Close(fd);
    }

    [GeneratedRegex("^\\.[0-9]+\\.[0-9a-f]{32}\\.new$")]
    private static partial Regex TemporaryEnding { get; }
}
