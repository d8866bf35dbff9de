namespace WgMesh.Interop.Tests;

/// <summary>What a road does to datagrams, in the terms of <c>tc netem</c>; each share is between 0 and 1.</summary>
/// <param name="Loss">Share that is lost.</param>
/// <param name="Duplicate">Share that arrives twice.</param>
/// <param name="Overtake">Share that goes at once while the others wait for 5 ms; with 0 nothing waits.</param>
internal readonly record struct Weather(double Loss, double Duplicate, double Overtake)
{
    /// <summary>How long what does not overtake is under way.</summary>
    public static TimeSpan Delay { get; } = TimeSpan.FromMilliseconds(5);
}
