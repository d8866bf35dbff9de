using Grpc.Core;
using WgMesh.Kubernetes;
using WgMesh.Operator.Distribution;

namespace WgMesh.Operator.Trust;

/// <summary>What came of asking for the owner of a token.</summary>
/// <param name="Caller">Who it is; null: the token is worth nothing here.</param>
/// <param name="Code">Why it is not.</param>
/// <param name="Detail">Why it is not, as whoever holds the token may be told.</param>
internal sealed record TokenVerdict(Caller? Caller, StatusCode Code = StatusCode.OK, string Detail = "")
{
    /// <summary>A token that nobody vouches for.</summary>
    public static TokenVerdict Unauthenticated(string detail) => new(null, StatusCode.Unauthenticated, detail);
}

/// <summary>
/// Asks the API server whose a token is, and what that user may do here:
/// <list type="bullet">
/// <item>the agents' service account, with a token bound to a pod: it speaks for the node that the pod is on;</item>
/// <item>the operator's own service account: it is a replica;</item>
/// <item>anyone else who may get wireguardpeers/config in wgmesh.io: it is a tool.</item>
/// </list>
/// Every token must be meant for the audience <c>wgmesh</c>: one that is meant for the API server proves nothing here, since whoever it was
/// shown to before could show it again.
/// </summary>
/// <param name="client">The API server.</param>
/// <param name="space">The namespace of operator and agents.</param>
/// <param name="agentServiceAccount">The agents' service account in it.</param>
/// <param name="own">Tells the operator's service account.</param>
/// <param name="time">The clock that expiries are explained by.</param>
internal sealed class CallerLookup(KubernetesClient client, string space, string agentServiceAccount, ReplicaToken own, TimeProvider time)
{
    /// <summary>Whom tokens must be meant for.</summary>
    public const string Audience = "wgmesh";

    private const string PodName = "authentication.kubernetes.io/pod-name";
    private const string PodUid = "authentication.kubernetes.io/pod-uid";
    private const string NodeName = "authentication.kubernetes.io/node-name";

    /// <summary>The user name of the agents' service account.</summary>
    public string AgentAccount { get; } = $"system:serviceaccount:{space}:{agentServiceAccount}";

    /// <exception cref="ApiException">The API server did not answer the question.</exception>
    /// <exception cref="HttpRequestException">It could not be asked.</exception>
    public async Task<TokenVerdict> FindAsync(string token, CancellationToken cancellationToken)
    {
        var question = new TokenReview { Spec = new TokenReviewSpec { Token = token, Audiences = [Audience] } };
        var status = (await client.CreateAsync(ResourceTypes.TokenReviews, question, cancellationToken)).Status;
        if (status is not { Authenticated: true, User: { Username: { Length: > 0 } name } user })
            return TokenVerdict.Unauthenticated(Explain(token));

        // an API server that knows nothing of audiences vouches for tokens that are meant for anybody
        if (!status.Audiences.Contains(Audience, StringComparer.Ordinal))
            return TokenVerdict.Unauthenticated($"the API server does not say that the token is for audience {Audience}, which is wanted");

        // the agents' first: if both have one account, then nobody is a replica
        if (name == AgentAccount)
            return await AgentAsync(user, cancellationToken);
        return name == own.UserName() ? new TokenVerdict(new Caller { IsReplica = true }) : await ToolAsync(user, cancellationToken);
    }

    private async Task<TokenVerdict> AgentAsync(UserInfo user, CancellationToken cancellationToken)
    {
        if (One(user, PodName) is not { } podName || One(user, PodUid) is not { } podUid)
        {
            return TokenVerdict.Unauthenticated(
                $"the token of {AgentAccount} is bound to no pod; an agent needs the one that is projected into its pod for audience {Audience}");
        }

        var pod = await client.FindAsync(ResourceTypes.Pods, podName, space, cancellationToken);
        if (pod is null)
            return TokenVerdict.Unauthenticated($"pod {podName}, which the token was made for, is gone");
        if (pod.Metadata.Uid != podUid)
            return TokenVerdict.Unauthenticated($"the token was made for a pod {podName} that is gone; there is another of that name now");
        if (pod.Spec.NodeName is not { Length: > 0 } node)
            return TokenVerdict.Unauthenticated($"pod {podName}, which the token was made for, is on no node yet");
        if (user.Extra.ContainsKey(NodeName) && One(user, NodeName) != node)
            return TokenVerdict.Unauthenticated($"the token was made for another node than {node}, which pod {podName} is on");
        return new TokenVerdict(new Caller { Nodes = [node] });
    }

    private async Task<TokenVerdict> ToolAsync(UserInfo user, CancellationToken cancellationToken)
    {
        var answer = await client.CreateAsync(
            ResourceTypes.SubjectAccessReviews,
            new SubjectAccessReview
            {
                Spec = new SubjectAccessReviewSpec
                {
                    User = user.Username,
                    Uid = user.Uid,
                    Groups = user.Groups,
                    Extra = user.Extra,
                    ResourceAttributes = new ResourceAttributes
                    {
                        Verb = "get", Group = "wgmesh.io", Resource = "wireguardpeers", Subresource = "config",
                    },
                },
            },
            cancellationToken);
        return answer.Status is { Allowed: true }
            ? new TokenVerdict(new Caller { IsTool = true })
            : new TokenVerdict(null, StatusCode.PermissionDenied,
                $"{user.Username} is no agent, and as a tool it would have to be allowed to get wireguardpeers/config in wgmesh.io");
    }

    /// <summary>What the holder of a token that was refused could find out from the token itself.</summary>
    private string Explain(string token) => TokenClaims.Read(token) switch
    {
        { Expires: { } expires } when expires <= time.GetUtcNow() => $"the token expired at {expires:u}; a new one is needed",
        { Audiences: var audiences } when !audiences.Contains(Audience, StringComparer.Ordinal) =>
            $"the token is for {(audiences.IsEmpty ? "no audience" : $"audience {Shown(audiences)}")}; {Audience} is wanted",
        null => "the API server does not know the token",
        _ => "the API server does not take the token: it is another cluster's, or what it was made for is gone",
    };

    private static string? One(UserInfo user, string extra) => user.Extra.TryGetValue(extra, out var values) && values is [{ Length: > 0 } one] ? one : null;

    // it comes back to whoever sent it, but also into logs
    private static string Shown(IEnumerable<string> audiences)
    {
        var text = string.Concat(string.Join(", ", audiences).Where(c => !char.IsControl(c) && c is not ('\u2028' or '\u2029')));
        return text.Length <= 100 ? text : text[..100] + "...";
    }
}
