namespace WgMesh.Engine.Tests.Protocol;

/// <summary>
/// Lets several threads do the same thing at the same moment, again and again: left alone they would hardly ever meet within
/// the few nanoseconds in which a missing lock shows.
/// </summary>
internal sealed class LockStep
{
    private readonly int[] _reached;

    private LockStep(int threads) => _reached = [.. Enumerable.Repeat(-1, threads)];

    /// <summary>Returns when every thread has come to this step, or is past it.</summary>
    private void Enter(int thread, int step)
    {
        Volatile.Write(ref _reached[thread], step);
        for (var other = 0; other < _reached.Length; other++)
        {
            for (var wait = default(SpinWait); Volatile.Read(ref _reached[other]) < step;)
            {
                wait.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    /// <summary>Runs a body for each step on every thread at once.</summary>
    public static Task Run(int threads, int steps, Action<int, int> body)
    {
        var lockStep = new LockStep(threads);
        return Run(threads, thread =>
        {
            try
            {
                for (var step = 0; step < steps; step++)
                {
                    lockStep.Enter(thread, step);
                    body(thread, step);
                }
            }
            finally
            {
                Volatile.Write(ref lockStep._reached[thread], int.MaxValue); // one that fails must not leave the others waiting
            }
        });
    }

    /// <summary>Runs a body on threads of their own.</summary>
    public static Task Run(int threads, Action<int> body) => Task.WhenAll(Enumerable.Range(0, threads).Select(
        thread => Task.Factory.StartNew(() => body(thread), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
}
