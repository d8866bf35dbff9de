using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;
using WgMesh.Crds;

namespace WgMesh.Cli;

/// <summary><c>crds [--kubernetes-version VERSION | --chart-template]</c></summary>
internal static partial class CrdsCommand
{
    public static Command Create()
    {
        var version = new Option<Version?>("--kubernetes-version")
        {
            Description = $"The version of the API server, such as {CrdYaml.Oldest}; one older than 1.25 does not take what is for newer ones. Without it: the newest.",
            HelpName = "VERSION",
            CustomParser = Parse,
        };
        var template = new Option<bool>("--chart-template") { Description = "As a template of the Helm chart, which finds out the version when it is installed." };
        var command = new Command("crds", "Prints the custom resource definitions as YAML, for kubectl apply -f -.") { version, template };
        command.Validators.Add(result =>
        {
            if (result.GetResult(version) is not null && result.GetResult(template) is not null)
                result.AddError("--kubernetes-version and --chart-template: the template is for every version; give one of the two.");
        });
        command.SetAction(parsed =>
            parsed.InvocationConfiguration.Output.Write(parsed.GetValue(template) ? CrdYaml.ChartTemplate() : CrdYaml.Generate(parsed.GetValue(version))));
        return command;
    }

    private static Version? Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (Form().Match(text) is not { Success: true } match)
        {
            result.AddError($"--kubernetes-version: {text} is not a version such as {CrdYaml.Oldest} or v1.31.2.");
            return null;
        }

        var version = new Version(Number(1), Number(2));
        if (version >= CrdYaml.Oldest)
            return version;

        result.AddError($"--kubernetes-version: {text} is older than {CrdYaml.Oldest}, the oldest that there are definitions for.");
        return null;

        int Number(int group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^v?([0-9]{1,4})\.([0-9]{1,4})([.+-].*)?\z")] // clouds write 1.31.2-gke.100 and "1.31+"
    private static partial Regex Form();
}
