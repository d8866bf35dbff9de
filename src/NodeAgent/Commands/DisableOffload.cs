using System.CommandLine;
using WgMesh.Engine.Device;

namespace WgMesh.NodeAgent.Commands;

/// <summary>The option <c>--disable-offload</c>, for kernels and drivers whose offloads misbehave without saying so.</summary>
internal static class DisableOffload
{
    private static readonly string Known = string.Join(", ", OffloadNames.All.Select(entry => entry.Name));

    internal static Option<Offloads> Create() => new("--disable-offload")
    {
        Description = $"Offloads of the kernel not to use, separated by commas: {Known}. One that the kernel refuses switches itself off.",
        HelpName = "NAMES",
        Arity = ArgumentArity.ExactlyOne, // what follows is the next argument, such as the interface's name
        CustomParser = result =>
        {
            if (OffloadNames.TryParse(result.Tokens[0].Value, out var offloads, out var unknown))
            {
                return offloads;
            }

            result.AddError($"--disable-offload: '{unknown}' is not an offload; there are {Known}.");
            return Offloads.None;
        },
    };
}
