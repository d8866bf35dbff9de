using Microsoft.Win32.SafeHandles;
using WgMesh.NodeAgent.Identity;
using WgMesh.NodeAgent.Interop;

namespace WgMesh.NodeAgent.Handover;

/// <summary>The right to the data plane of a node: a lock on a file. It ends with the process that has it, however that ends.</summary>
internal sealed class AgentLock : IDisposable
{
    internal const string FileName = "agent.lock";

    // what .NET makes of a lock that somebody else has
    private const int Ewouldblock = 11;

    private readonly SafeFileHandle _file;
    private readonly string _path;

    private AgentLock(SafeFileHandle file, string path) => (_file, _path) = (file, path);

    /// <summary>Whether there is one: it is made by the first agent, and goes when the node is released.</summary>
    internal static bool Exists(string runFolder) => File.Exists(Path.Combine(runFolder, FileName));

    /// <summary>Takes it, if nobody has it.</summary>
    /// <param name="runFolder">For the files that agents of one node share.</param>
    /// <param name="make">Whether it is made, with the folder, if there is none.</param>
    /// <returns>Null: another process has it, or there is none.</returns>
    internal static AgentLock? TryTake(string runFolder, bool make)
    {
        var path = Path.Combine(runFolder, FileName);
        try
        {
            if (make)
            {
                Directory.CreateDirectory(runFolder, PrivateFile.FolderMode);
            }

            var taken = new AgentLock(
                File.OpenHandle(path, make ? FileMode.OpenOrCreate : FileMode.Open, FileAccess.ReadWrite, FileShare.None), path);
            if (SysStat.IsAt(taken._file, path))
            {
                return taken;
            }

            // whoever had it has just deleted it, and a file without its name keeps nobody out
            taken.Dispose();
            return null;
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException || e.HResult is Ewouldblock or Unistd.Eexist)
        {
            return null; // EEXIST: of a folder that has just been deleted
        }
    }

    /// <summary>Deletes the file, which ends the lock for all who come, and the folder if nothing else is in it.</summary>
    internal void Delete()
    {
        File.Delete(_path);
        try
        {
            Directory.Delete(Path.GetDirectoryName(_path)!);
        }
        catch (IOException)
        {
            // it holds what is not ours, or is mounted here: then it is for others to remove
        }
    }

    public void Dispose() => _file.Dispose();
}
