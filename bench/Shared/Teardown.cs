using System.Runtime.ExceptionServices;

namespace WgMesh.Bench;

/// <summary>The end of things that are taken down together.</summary>
internal static class Teardown
{
    /// <summary>Disposes of all of them, in their order, also when one of them fails; the first failure is thrown then. Null was never made.</summary>
    public static void All(params ReadOnlySpan<IDisposable?> made)
    {
        ExceptionDispatchInfo? failure = null;
        foreach (var one in made)
        {
            try
            {
                one?.Dispose();
            }
            catch (Exception e)
            {
                failure ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        failure?.Throw();
    }
}
