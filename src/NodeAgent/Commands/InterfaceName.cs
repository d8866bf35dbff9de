using System.CommandLine;
using System.CommandLine.Parsing;

namespace WgMesh.NodeAgent.Commands;

/// <summary>Names that the kernel takes for an interface and that are good for a socket's file name.</summary>
internal static class InterfaceName
{
    internal const string Default = "wgmesh0";

    // IFNAMSIZ less the terminator
    private const int MaxLength = 15;

    /// <summary>The option <c>--interface</c>.</summary>
    internal static Option<string> Option()
    {
        var option = new Option<string>("--interface")
        {
            Description = "Name of the tunnel interface.",
            HelpName = "NAME",
            DefaultValueFactory = _ => Default,
        };
        option.Validators.Add(Validate);
        return option;
    }

    internal static void Validate(SymbolResult result)
    {
        foreach (var token in result.Tokens)
        {
            if (!IsValid(token.Value))
            {
                result.AddError($"'{token.Value}' is not a name for an interface: 1 to {MaxLength} letters, digits, '-', '_', '.', '=' or '+', such as {Default}.");
            }
        }
    }

    // what wg-quick takes
    internal static bool IsValid(string name) =>
        name.Length is > 0 and <= MaxLength && name is not ("." or "..")
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '=' or '+');
}
