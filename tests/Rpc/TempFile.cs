namespace WgMesh.Rpc.Tests;

/// <summary>A file for an outside program to read, gone afterwards.</summary>
public sealed class TempFile : IDisposable
{
    public TempFile(string text) => File.WriteAllText(Path, text);

    public string Path { get; } = System.IO.Path.GetTempFileName();

    public void Dispose() => File.Delete(Path);
}
