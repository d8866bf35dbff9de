namespace WgMesh.Engine.Protocol;

/// <summary>
/// How much memory the packets of all peers together take that wait for a session: what one peer may keep would be too much if a
/// thousand did. Safe for several threads.
/// </summary>
/// <param name="most">Bytes; beyond it no peer keeps more than it does already, and one that keeps nothing may keep one packet.</param>
internal sealed class StagedMemory(long most)
{
    private long _taken;

    /// <summary>Bytes that are taken.</summary>
    public long Taken => Volatile.Read(ref _taken);

    /// <summary>Whether so many more are within the limit.</summary>
    public bool HasRoom(int bytes) => Taken + bytes <= most;

    public void Take(int bytes) => Interlocked.Add(ref _taken, bytes);

    public void Return(int bytes) => Interlocked.Add(ref _taken, -bytes);
}
