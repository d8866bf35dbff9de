using System.Runtime.InteropServices;
using WgMesh.NodeAgent.Interop;

namespace WgMesh.NodeAgent.Identity;

/// <summary>
/// Files that only their owner may read, written so that a reader (also one after a power cut) sees the old content or the new,
/// never a part: a temporary file beside it, fsync, rename, fsync of the folder.
/// </summary>
internal static class PrivateFile
{
    internal const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    internal const UnixFileMode FolderMode = FileMode | UnixFileMode.UserExecute;

    /// <summary>Makes the folder if there is none.</summary>
    /// <returns>False: it was open to others, and is not any more.</returns>
    /// <exception cref="AgentException">The folder is one that everybody shares, as /tmp is: closing it would break other programs.</exception>
    internal static bool SecureFolder(string folder)
    {
        Directory.CreateDirectory(folder, FolderMode);
        if (File.GetUnixFileMode(folder).HasFlag(UnixFileMode.StickyBit))
        {
            throw new AgentException($"{folder} is shared by everybody (sticky bit). Name a folder of the agent's own, such as {Path.Combine(folder, "wgmesh")}.");
        }

        return Secure(folder, FolderMode);
    }

    /// <summary>Takes away what others may do with a file.</summary>
    /// <returns>False: it was open to others, and is not any more.</returns>
    internal static bool SecureFile(string path) => Secure(path, FileMode);

    /// <summary>Writes the file, in place of the one that is there.</summary>
    internal static void Replace(string path, ReadOnlySpan<byte> content) => Write(path, content, temporary =>
    {
        File.Move(temporary, path, overwrite: true);
        return true;
    });

    /// <summary>Writes the file unless there is one.</summary>
    /// <returns>False: there was one, and it is as it was.</returns>
    internal static bool TryCreate(string path, ReadOnlySpan<byte> content) => Write(path, content, temporary =>
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

    private static bool Secure(string path, UnixFileMode mode)
    {
        if (File.GetUnixFileMode(path) == mode)
        {
            return true;
        }

        File.SetUnixFileMode(path, mode);
        return false;
    }

    private static bool Write(string path, ReadOnlySpan<byte> content, Func<string, bool> putInPlace)
    {
        var temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():n}.new";
        try
        {
            // the mode is given at creation: there is no moment at which others could open it
            using (var file = new FileStream(temporary, new FileStreamOptions
            {
                Mode = System.IO.FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = FileMode,
                BufferSize = 0,
            }))
            {
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
}
