using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace WgMesh.NodeAgent.Cni;

/// <summary>The program <c>nft</c>.</summary>
/// <param name="program">Its path, or its name to be looked for where programs are.</param>
/// <param name="limit">How long it may run; null: half a minute.</param>
internal sealed class Nft(string program = "nft", TimeSpan? limit = null)
{
    // ENOENT: of a table, a set, a chain; or of what the kernel would need a module for
    private const string Missing = "No such file or directory";

    private readonly TimeSpan _limit = limit ?? TimeSpan.FromSeconds(30);

    /// <summary>Runs it to its end in the calling thread's network namespace.</summary>
    /// <param name="input">Its standard input.</param>
    internal NftResult Run(string input, params string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo(program, arguments) { Environment = { ["LC_ALL"] = "C" } }; // its words are told from one another
            var (code, output, error) = Subprocess.Run(start, input, _limit);
            return code == 0 ? new(NftOutcome.Done, output, "") : new(OutcomeOf(error), "", Explain(error, code));
        }
        catch (Win32Exception)
        {
            return new(NftOutcome.NoProgram, "", "the program nft cannot be run: install the package nftables, or run without --masquerade (cni.masquerade=false)");
        }
        catch (TimeoutException)
        {
            return new(NftOutcome.Failed, "", string.Create(CultureInfo.InvariantCulture, $"nft {arguments[0]} did not end within {_limit.TotalSeconds:0} s"));
        }
    }

    private static NftOutcome OutcomeOf(string error) =>
        error.Contains(Missing, StringComparison.Ordinal) ? NftOutcome.NothingThere : NftOutcome.Failed;

    private static string Explain(string error, int code)
    {
        var said = error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).FirstOrDefault()
            ?? string.Create(CultureInfo.InvariantCulture, $"exit code {code}");
        var hint = error.Contains("not permitted", StringComparison.Ordinal) ? ": the agent needs the capability NET_ADMIN"
            : error.Contains("not supported", StringComparison.Ordinal) || error.Contains(Missing, StringComparison.Ordinal) ? ": it takes Linux 5.2 or newer, with nf_tables, NAT and fib"
            : "";
        return $"nft refuses the table {MasqueradeRules.Table} ({said}){hint}";
    }
}

/// <summary>How nft came to its end.</summary>
internal enum NftOutcome
{
    /// <summary>It did what was asked.</summary>
    Done,

    /// <summary>It found nothing of that name.</summary>
    NothingThere,

    /// <summary>It is not installed.</summary>
    NoProgram,

    /// <summary>Anything else: whether it did some of it cannot be known.</summary>
    Failed,
}

/// <summary>What came of running nft.</summary>
/// <param name="Output">What it printed; empty if it failed.</param>
/// <param name="Error">A sentence; empty if it did not fail.</param>
internal sealed record NftResult(NftOutcome Outcome, string Output, string Error)
{
    /// <summary>Whether it did what was asked.</summary>
    internal bool IsDone => Outcome == NftOutcome.Done;
}
