using System.Globalization;
using System.Text;

namespace WgMesh.NodeAgent.Handover;

/// <summary>
/// When this agent was started for the first time, which says of two agents which is to have the data plane: the newer one. A restart makes
/// nothing newer, where there is a folder that outlives it: else an old version that crashes would take its node back from the new one.
/// </summary>
/// <param name="Time">Of the first start.</param>
/// <param name="IsNow">Whether this start is it.</param>
internal readonly record struct FirstStart(DateTimeOffset Time, bool IsNow)
{
    internal const string FileName = "first-start";

    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Reads it, or notes that it is now.</summary>
    /// <param name="podFolder">Lives as long as the agent's pod; null: there is none, and every start is a first one.</param>
    /// <param name="time">For now.</param>
    internal static FirstStart Of(string? podFolder, TimeProvider time)
    {
        var now = time.GetUtcNow();
        if (podFolder is null)
        {
            return new(now, IsNow: true);
        }

        Directory.CreateDirectory(podFolder);
        var path = Path.Combine(podFolder, FileName);
        if (File.Exists(path)
            && DateTimeOffset.TryParseExact(File.ReadAllText(path), "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out var first))
        {
            return new(first, IsNow: false);
        }

        AtomicFile.Replace(path, Encoding.ASCII.GetBytes(now.ToString("O", CultureInfo.InvariantCulture)), Mode);
        return new(now, IsNow: true);
    }
}
