namespace WgMesh.NodeAgent.Identity;

/// <summary>Folders that only their owner may enter.</summary>
internal static class PrivateFolder
{
    /// <summary>Makes the folder if there is none, and closes it to others if it is the agent's own.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="flag">Names it on the command line.</param>
    /// <param name="ours">The names that files in it have.</param>
    /// <returns>False: files in it were open to others, and are not any more.</returns>
    /// <exception cref="AgentException">It is not the agent's own: closing it would break other programs.</exception>
    internal static bool Secure(string folder, string flag, params ReadOnlySpan<string> ours)
    {
        Directory.CreateDirectory(folder, PrivateFile.FolderMode);
        var mode = File.GetUnixFileMode(folder);
        if (mode == PrivateFile.FolderMode)
        {
            return true;
        }

        if (mode.HasFlag(UnixFileMode.StickyBit))
        {
            throw NotOurs(folder, flag, "it is shared by everybody (sticky bit)");
        }

        var isEmpty = true;
        foreach (var path in Directory.EnumerateFileSystemEntries(folder))
        {
            isEmpty = false;
            if (!IsOneOf(Path.GetFileName(path), ours))
            {
                throw NotOurs(folder, flag, $"it is open to others and holds what is not the agent's ({Path.GetFileName(path)})");
            }
        }

        File.SetUnixFileMode(folder, PrivateFile.FolderMode);
        return isEmpty;
    }

    private static AgentException NotOurs(string folder, string flag, string why) =>
        new($"{flag}: {folder} is not the agent's own: {why}. Name one that is, such as {Path.Combine(folder, "wgmesh")}.");

    private static bool IsOneOf(string name, ReadOnlySpan<string> ours)
    {
        foreach (var own in ours)
        {
            if (name == own || AtomicFile.IsTemporary(name, own))
            {
                return true;
            }
        }

        return false;
    }
}
