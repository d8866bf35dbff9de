using System.CommandLine;

namespace WgMesh.Cli;

/// <summary>The commands of kubectl-wgmesh.</summary>
internal static class CommandLine
{
    /// <summary>Exit code: done.</summary>
    public const int Done = 0;

    /// <summary>Exit code: the answer is no, such as problems in manifests or an unknown peer; also wrong usage.</summary>
    public const int No = 1;

    /// <summary>Exit code: the operator could not be asked.</summary>
    public const int NoAnswer = 2;

    /// <summary>All commands.</summary>
    public static RootCommand Create() => new(
        "Looks into a WireGuard mesh and checks what is written for it.\n" +
        "Exit codes: 0 done; 1 the answer is no, or wrong usage; 2 the operator could not be asked.")
    {
        ValidateCommand.Create(),
        StatusCommand.Create(),
        CheckCommand.Create(),
        PeerConfigCommand.Create(),
        CrdsCommand.Create(),
    };
}
