using System.Collections.Immutable;
using Grpc.Core;

namespace WgMesh.Operator.Distribution;

/// <summary>Who is calling, by what a call brings along: a file of tokens, or the API server's word. Thread-safe.</summary>
internal interface IAuthenticator
{
    /// <summary>An open stream is asked about again this often: for so long it may outlive its token.</summary>
    TimeSpan RecheckInterval { get; }

    /// <summary>Who calls with this <c>authorization</c> header; null if nobody known does.</summary>
    /// <param name="authorization">The header's value; null: there is none.</param>
    /// <param name="from">The address that the call comes from, without its port: what it may cost is limited by that.</param>
    /// <param name="cancellationToken">Ends the wait for an answer.</param>
    /// <exception cref="RpcException">
    /// UNAUTHENTICATED: the same as null, with a reason that the caller may be told. PERMISSION_DENIED: somebody is known to call who may do
    /// nothing here. UNAVAILABLE: it cannot be found out now, which ends no stream that is open.
    /// </exception>
    ValueTask<Caller?> AuthenticateAsync(string? authorization, string from, CancellationToken cancellationToken);
}

/// <summary>Who is calling.</summary>
internal sealed record Caller
{
    /// <summary>The nodes it may speak for.</summary>
    public ImmutableHashSet<string> Nodes { get; init; } = ImmutableHashSet.Create<string>(StringComparer.Ordinal);

    /// <summary>May speak for every node.</summary>
    public bool IsAnyNode { get; init; }

    /// <summary>May see the mesh's status and read external peers' configurations.</summary>
    public bool IsTool { get; init; }

    /// <summary>Is another replica of the operator: may tell of its agents, and may do what tools may.</summary>
    public bool IsReplica { get; init; }

    /// <summary>Whom its token is for, in words.</summary>
    public string Shown => IsReplica ? "a replica of the operator" : IsTool ? "tools" : $"node {string.Join(", ", Nodes.Order(StringComparer.Ordinal))}";

    public bool MaySpeakFor(string node) => IsAnyNode || Nodes.Contains(node);
}
