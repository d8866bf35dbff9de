using System.CommandLine;
using WgMesh.Crds;
using WgMesh.Kubernetes;

namespace WgMesh.Cli;

/// <summary><c>validate -f PATH...</c></summary>
internal static class ValidateCommand
{
    public static Command Create()
    {
        var paths = new Option<string[]>("--filename", "-f")
        {
            Description = "A manifest, or a folder of them (*.yaml, *.yml, *.json). May be given several times.",
            HelpName = "PATH",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var command = new Command("validate",
            "Checks manifests as the operator reads them; prints each problem as \"file:line: object: field: message\".") { paths };
        command.SetAction(parsed =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            return Validate(parsed.GetRequiredValue(paths), output, error);
        });
        return command;
    }

    private static int Validate(IReadOnlyList<string> paths, TextWriter output, TextWriter error)
    {
        var files = new List<ManifestFile>();
        foreach (var path in paths)
        {
            try
            {
                files.AddRange(Directory.Exists(path) ? ManifestFile.FindIn(path).Select(ManifestFile.Read) : [ManifestFile.Read(path)]);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                error.WriteLine($"{path}: {e.Message}");
                return CommandLine.No;
            }
        }

        var set = ManifestReader.Read(files);
        foreach (var problem in set.Problems)
            output.WriteLine(problem);
        foreach (var ignored in set.Ignored)
            error.WriteLine(ignored);

        var objects = set.Nodes.Count + set.Secrets.Count + set.Peers.Count + (set.Mesh is null ? 0 : 1);
        error.WriteLine($"{Count(files.Count, "file")}, {Count(objects, "object")} in order, {Count(set.Problems.Count, "problem")}");
        return set.Problems.Count == 0 ? CommandLine.Done : CommandLine.No;
    }

    private static string Count(int number, string what) => number == 1 ? $"1 {what}" : $"{number} {what}s";
}
