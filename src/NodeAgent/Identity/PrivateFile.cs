namespace WgMesh.NodeAgent.Identity;

/// <summary>Files that only their owner may read, written as <see cref="AtomicFile"/> does.</summary>
internal static class PrivateFile
{
    internal const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    internal const UnixFileMode FolderMode = FileMode | UnixFileMode.UserExecute;

    /// <summary>Takes away what others may do with a file.</summary>
    /// <returns>False: it was open to others, and is not any more.</returns>
    internal static bool SecureFile(string path) => Secure(path, FileMode);

    /// <summary>Writes the file, in place of the one that is there.</summary>
    internal static void Replace(string path, ReadOnlySpan<byte> content) => AtomicFile.Replace(path, content, FileMode);

    /// <summary>Writes the file unless there is one.</summary>
    /// <returns>False: there was one, and it is as it was.</returns>
    internal static bool TryCreate(string path, ReadOnlySpan<byte> content) => AtomicFile.TryCreate(path, content, FileMode);

    private static bool Secure(string path, UnixFileMode mode)
    {
        if (File.GetUnixFileMode(path) == mode)
        {
            return true;
        }

        File.SetUnixFileMode(path, mode);
        return false;
    }
}
