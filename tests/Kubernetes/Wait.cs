namespace WgMesh.Kubernetes.Tests;

/// <summary>Waits for what is bound to come, however slow the machine.</summary>
internal static class Wait
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task Until(Func<bool> condition, string what)
    {
        var deadline = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (!condition())
        {
            if (Environment.TickCount64 > deadline)
                throw new TimeoutException($"waited {Limit.TotalSeconds:0} s until {what}");
            await Task.Delay(5);
        }
    }
}
