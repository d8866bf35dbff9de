namespace WgMesh.Interop.Tests;

/// <summary>Waiting for what has to happen.</summary>
internal static class Wait
{
    /// <summary>Looks until it has happened, or fails after a minute: much longer than any of it takes on a busy machine.</summary>
    public static void Until(Func<bool> happened, string what) => Until(happened, what, TimeSpan.FromMinutes(1));

    /// <inheritdoc cref="Until(Func{bool}, string)"/>
    public static void Until(Func<bool> happened, string what, TimeSpan limit)
    {
        for (var end = Environment.TickCount64 + (long)limit.TotalMilliseconds; !happened(); Thread.Sleep(50))
        {
            Assert.True(Environment.TickCount64 < end, $"waited {limit.TotalSeconds:0} s in vain for {what}");
        }
    }
}
