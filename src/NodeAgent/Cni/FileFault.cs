namespace WgMesh.NodeAgent.Cni;

/// <summary>What keeps the agent from working in a folder of the node, as sentences that say what to do.</summary>
internal static class FileFault
{
    private const int Enospc = 28, Erofs = 30, Edquot = 122;

    /// <summary>Why nothing can be written into a folder; null if it is one.</summary>
    /// <param name="flag">Names the folder on the command line.</param>
    internal static string? OfFolder(string folder, string flag) =>
        Directory.Exists(folder) ? null
        : File.Exists(folder) ? $"cni: {folder} is not a folder: name with {flag} the one that the container runtime reads"
        : $"cni: the folder {folder} does not exist: make it, or name with {flag} the one that the container runtime reads";

    /// <summary>What a failure means that came of working on a file.</summary>
    internal static string Of(string path, Exception failure) => failure.HResult switch
    {
        // without DAC_OVERRIDE root is a user as others are, and archives of plugins unpack folders that belong to who packed them
        _ when failure is UnauthorizedAccessException => $"cni: {path} cannot be changed, for permission is denied: {Path.GetDirectoryName(path)} and the file must belong to root (chown)",
        Erofs => $"cni: {path} cannot be changed, for {Path.GetDirectoryName(path)} is read-only: mount it read-write",
        Enospc or Edquot => $"cni: {path} cannot be written, for the disk is full: make room on it",
        _ => $"cni: {path} cannot be changed: {failure.Message.TrimEnd('.')}",
    };

    /// <summary>Does something to a file.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal static string? Try(string path, Action action) => Try(path, () =>
    {
        action();
        return null;
    });

    /// <summary>Does something to a file that may find a fault itself.</summary>
    /// <returns>Null, or what went wrong.</returns>
    internal static string? Try(string path, Func<string?> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (IsExpected(e))
        {
            return Of(path, e);
        }
    }

    /// <summary>Whether it comes of the file system, and not of a mistake of ours.</summary>
    internal static bool IsExpected(Exception failure) => failure is IOException or UnauthorizedAccessException;
}
