using System.Globalization;
using FsCheck;

namespace WgMesh.Tests.Shared;

/// <summary>
/// How properties are checked: from one seed, so that a run comes to the same end everywhere. PROPERTY_SEED=n in the environment starts from
/// another; a failure names the seed that it was found with.
/// </summary>
internal static class Properties
{
    private const ulong Gamma = 0x9e37_79b9_7f4a_7c15; // odd, as the generator wants it

    /// <summary>Checks with this many inputs and throws at the first that fails.</summary>
    public static Config Config(int count) => FsCheck.Config.QuickThrowOnFailure.WithMaxTest(count).WithReplay(Seed, Gamma);

    private static ulong Seed { get; } = ulong.Parse(Environment.GetEnvironmentVariable("PROPERTY_SEED") ?? "1", CultureInfo.InvariantCulture);
}
