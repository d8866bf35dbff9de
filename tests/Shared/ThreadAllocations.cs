namespace WgMesh.Tests.Shared;

/// <summary>What code allocates on the thread that runs it.</summary>
internal static class ThreadAllocations
{
    private const int Measurements = 20, Calls = 100;

    /// <summary>
    /// Bytes that a hundred calls of an action allocate. The least of several measurements: the runtime itself allocates now and then, as it
    /// compiles a method anew, and what the action allocates is in all of them.
    /// </summary>
    public static long Of(Action action)
    {
        var least = long.MaxValue;
        for (var i = 0; i < Measurements; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var call = 0; call < Calls; call++)
            {
                action();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
