using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace WgMesh.NodeAgent.Tests;

/// <summary>Waits on conditions, in real time.</summary>
internal static class Wait
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Looks every few milliseconds, and lets <paramref name="between"/> happen (manual time pass) between the looks.</summary>
    internal static async Task Until(
        Func<bool> condition, Action? between = null, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < Limit, $"Not within {Limit.TotalSeconds} s: {what}");
            between?.Invoke();
            await Task.Delay(5);
        }
    }

    /// <summary>Looks for a while whether the condition holds all the time.</summary>
    internal static async Task While(Func<bool> condition, TimeSpan time, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var watch = Stopwatch.StartNew();
        do
        {
            Assert.True(condition(), $"Not all the time: {what}");
            await Task.Delay(5);
        }
        while (watch.Elapsed < time);
    }
}
