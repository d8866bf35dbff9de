using Grpc.Core;

namespace WgMesh.Operator;

/// <summary>What the operator says. Event ids are stable: 1xx state, 2xx planning, 3xx agents, 4xx the process, 6xx what the leader writes, 7xx trust.</summary>
internal static partial class Log
{
    [LoggerMessage(101, LogLevel.Information, "Read {File}: {Objects} objects in force, {Problems} problems")]
    public static partial void ManifestRead(ILogger logger, string file, int objects, int problems);

    [LoggerMessage(102, LogLevel.Warning, "{Problem}")]
    public static partial void ManifestProblem(ILogger logger, string problem);

    [LoggerMessage(103, LogLevel.Error, "The manifests folder {Path} cannot be read, what it said stays in force: {Reason}")]
    public static partial void ManifestFolderUnreadable(ILogger logger, string path, string reason);

    [LoggerMessage(104, LogLevel.Warning, "The manifests folder {Path} cannot be watched, it is read every {Seconds} s: {Reason}")]
    public static partial void ManifestFolderNotWatched(ILogger logger, string path, double seconds, string reason);

    [LoggerMessage(105, LogLevel.Warning, "The last good state could not be kept in {Path}: {Reason}")]
    public static partial void LastGoodNotKept(ILogger logger, string path, string reason);

    [LoggerMessage(106, LogLevel.Error, "What node {Node} announced could not be kept: {Reason}")]
    public static partial void AnnouncementNotKept(ILogger logger, string node, string reason);

    [LoggerMessage(107, LogLevel.Warning, "{Problem}")]
    public static partial void ObjectProblem(ILogger logger, string problem);

    [LoggerMessage(108, LogLevel.Warning, "Secret {Namespace}/{Name} could not be read, and perhaps others; what they said before stays in force: {Reason}")]
    public static partial void SecretsNotRead(ILogger logger, string @namespace, string name, string reason);

    [LoggerMessage(201, LogLevel.Information, "Plan {Revision}: {Nodes} nodes, {Peers} peers, {Conflicts} conflicts")]
    public static partial void PlanPublished(ILogger logger, ulong revision, int nodes, int peers, int conflicts);

    [LoggerMessage(202, LogLevel.Warning, "{Conflict}")]
    public static partial void Conflict(ILogger logger, string conflict);

    [LoggerMessage(203, LogLevel.Error, "What was decided could not be kept, the state before it stays in force: {Reason}")]
    public static partial void StateNotKept(ILogger logger, string reason);

    [LoggerMessage(301, LogLevel.Information, "The agent of node {Node} connected: version {Version}, from {Peer}")]
    public static partial void AgentConnected(ILogger logger, string node, string version, string peer);

    [LoggerMessage(302, LogLevel.Information, "The agent of node {Node} left")]
    public static partial void AgentLeft(ILogger logger, string node);

    [LoggerMessage(303, LogLevel.Warning, "The stream of node {Node} was ended with {StatusCode}: {Detail}")]
    public static partial void AgentRefused(ILogger logger, string node, StatusCode statusCode, string detail);

    [LoggerMessage(304, LogLevel.Warning, "A Hello from {Peer} was refused with {StatusCode}: {Detail}")]
    public static partial void HelloRefused(ILogger logger, string peer, StatusCode statusCode, string detail);

    [LoggerMessage(305, LogLevel.Warning, "{Method} from {Peer} was refused: {Detail}")]
    public static partial void Unauthenticated(ILogger logger, string method, string peer, string detail);

    [LoggerMessage(306, LogLevel.Information, "Read {Path}: {Count} tokens")]
    public static partial void TokensRead(ILogger logger, string path, int count);

    [LoggerMessage(307, LogLevel.Error, "The tokens could not be read anew, those read before stay in force: {Reason}")]
    public static partial void TokensNotRead(ILogger logger, string reason);

    [LoggerMessage(308, LogLevel.Warning, "{Path} has mode {Mode}: others can read the tokens; chmod 600 it")]
    public static partial void TokensExposed(ILogger logger, string path, string mode);

    [LoggerMessage(320, LogLevel.Information, "The leader {Address} is told of this replica's agents")]
    public static partial void LeaderFollowed(ILogger logger, string address);

    [LoggerMessage(321, LogLevel.Warning, "The leader {Address} cannot be told of this replica's agents; it is tried again: {Reason}")]
    public static partial void LeaderNotReached(ILogger logger, string address, string reason);

    [LoggerMessage(322, LogLevel.Information, "Replica {Replica} tells of its agents")]
    public static partial void ReplicaCame(ILogger logger, string replica);

    [LoggerMessage(323, LogLevel.Information, "Replica {Replica} tells no more; its {Agents} agents count as away unless they come back within {Seconds} s")]
    public static partial void ReplicaLeft(ILogger logger, string replica, int agents, double seconds);

    [LoggerMessage(324, LogLevel.Warning, "An agent that replica {Replica} told of was refused: {Detail}")]
    public static partial void ReplicasAgentRefused(ILogger logger, string replica, string detail);

    [LoggerMessage(325, LogLevel.Warning, "The leader {Address} cannot be asked for the mesh's status, what is known here is shown: {Reason}")]
    public static partial void StatusNotRelayed(ILogger logger, string address, string reason);

    [LoggerMessage(401, LogLevel.Information, "Made the certificate authority {Path}; agents and tools need it to know this operator")]
    public static partial void AuthorityMade(ILogger logger, string path);

    [LoggerMessage(402, LogLevel.Information, "Made a serving certificate for {Names}, valid until {NotAfter}")]
    public static partial void CertificateMade(ILogger logger, string names, DateTimeOffset notAfter);

    [LoggerMessage(403, LogLevel.Error, "The serving certificate could not be renewed: {Reason}")]
    public static partial void CertificateNotRenewed(ILogger logger, string reason);

    [LoggerMessage(601, LogLevel.Information, "Made the WireGuardPeer of node {Node}")]
    public static partial void NodePeerCreated(ILogger logger, string node);

    [LoggerMessage(602, LogLevel.Information, "Deleted the WireGuardPeer of node {Node}: {Reason}")]
    public static partial void NodePeerDeleted(ILogger logger, string node, string reason);

    [LoggerMessage(603, LogLevel.Information, "The agent of node {Node} has a new public key")]
    public static partial void NodeKeyChanged(ILogger logger, string node);

    [LoggerMessage(604, LogLevel.Information, "Other nodes reach {Peer} through {After} now, and no longer through {Before}")]
    public static partial void GatewayChanged(ILogger logger, string peer, string before, string after);

    [LoggerMessage(605, LogLevel.Warning, "Could not bring {What} in order, it is tried again: {Reason}")]
    public static partial void ReconcileFailed(ILogger logger, string what, string reason);

    [LoggerMessage(606, LogLevel.Warning, "The API server takes no status for {Item}, whose spec cannot be used: {Reason}")]
    public static partial void StatusRefused(ILogger logger, string item, string reason);

    [LoggerMessage(607, LogLevel.Error, "How things are could not be said, the status of all objects stays as it is; a fault in the operator")]
    public static partial void StatusNotComposed(ILogger logger, Exception error);
}
