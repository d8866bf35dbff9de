using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WgMesh.Operator.State;

/// <summary>Files that are either the old ones or the new ones, also after a crash.</summary>
internal static partial class AtomicFile
{
    /// <summary>For the owner alone: 0600.</summary>
    public const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Readable by all: 0644.</summary>
    public const UnixFileMode Public = Private | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Writes a file beside its place, forces it to the disk, and moves it there.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode = Private)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var temporary = Path.Combine(directory, $".{Path.GetFileName(path)}.new");
        File.Delete(temporary); // of a crash; and the mode below is for a new file only
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode };
        using (var stream = new FileStream(temporary, options))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
        SyncDirectory(directory);
    }

    /// <summary>Deletes a file, if it is there, so that it stays deleted.</summary>
    public static void Delete(string path)
    {
        File.Delete(path);
        SyncDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    // the rename itself is on the disk only when the directory is; .NET opens no directories
    private static void SyncDirectory(string directory)
    {
        const int readOnlyCloseOnExec = 0x80000;
        using var handle = new SafeFileHandle(Open(directory, readOnlyCloseOnExec), ownsHandle: true);
        if (handle.IsInvalid || Sync(handle) != 0)
            throw new IOException($"{directory} could not be written to the disk: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(SafeFileHandle handle);
}
