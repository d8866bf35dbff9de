using Microsoft.Win32.SafeHandles;

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

    /// <summary>Takes it, if nobody has it.</summary>
    /// <param name="runFolder">Is there.</param>
    /// <returns>Null: another process has it.</returns>
    internal static AgentLock? TryTake(string runFolder)
    {
        var path = Path.Combine(runFolder, FileName);
        try
        {
            var taken = new AgentLock(File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), path);
            if (File.Exists(path))
            {
                return taken;
            }

            // whoever had it has just deleted it, and a file without a name keeps nobody out
            taken.Dispose();
            return null;
        }
        catch (IOException e) when (e.HResult == Ewouldblock)
        {
            return null;
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
