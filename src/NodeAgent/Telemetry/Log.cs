namespace WgMesh.NodeAgent.Telemetry;

/// <summary>Everything the agent logs. Never a key, never a token.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "The agent {Version} starts for node {Node}; its public key is {PublicKey}.")]
    internal static partial void Starting(this ILogger log, string version, string node, string publicKey);

    [LoggerMessage(2, LogLevel.Information, "The agent stops.")]
    internal static partial void Stopping(this ILogger log);

    [LoggerMessage(3, LogLevel.Information, "Another agent has the data plane of this node. It is asked to let go of it as soon as this one is ready to go on.")]
    internal static partial void AskingForDataPlane(this ILogger log);

    [LoggerMessage(4, LogLevel.Warning, "The agent that has the data plane of this node ({Lock}) {Why}. This one waits until that one lets go or ends.")]
    internal static partial void DataPlaneTaken(this ILogger log, string @lock, string why);

    [LoggerMessage(5, LogLevel.Information, "Another agent asks for the data plane of this node.")]
    internal static partial void StandingDown(this ILogger log);

    [LoggerMessage(6, LogLevel.Information, "The other agent has the data plane now. This one waits, and takes over again if that one ends.")]
    internal static partial void StoodDown(this ILogger log);

    [LoggerMessage(7, LogLevel.Information, "The agent that has the data plane of this node was started later than this one, so it keeps it. This one waits, and takes over if that one ends.")]
    internal static partial void DataPlaneRefused(this ILogger log);

    [LoggerMessage(8, LogLevel.Warning, "The node was released by the agent that had its data plane. This one stays out of it; started anew, it connects the node again.")]
    internal static partial void NodeWasReleased(this ILogger log);

    [LoggerMessage(9, LogLevel.Information, "Another agent has the data plane of this node. This one was here before, and waits: it asks in a minute.")]
    internal static partial void WaitingForDataPlane(this ILogger log);

    [LoggerMessage(10, LogLevel.Warning, "{Path} was open to others; its mode is {Mode} now.")]
    internal static partial void ModeRepaired(this ILogger log, string path, string mode);

    [LoggerMessage(11, LogLevel.Information, "A private key was made and kept in {Path}.")]
    internal static partial void KeyCreated(this ILogger log, string path);

    [LoggerMessage(20, LogLevel.Information, "Operator {Operator} is connected.")]
    internal static partial void OperatorConnected(this ILogger log, string @operator);

    [LoggerMessage(21, LogLevel.Warning, "Operator {Operator}: {Error} Next call in {Seconds:0.0} s; the tunnels stay as they are.")]
    internal static partial void OperatorLost(this ILogger log, string @operator, string error, double seconds);

    [LoggerMessage(22, LogLevel.Error, "Operator {Operator} refuses this agent: {Error} Next call in {Seconds:0.0} s; the tunnels stay as they are.")]
    internal static partial void OperatorRefuses(this ILogger log, string @operator, string error, double seconds);

    [LoggerMessage(23, LogLevel.Error, "The stream with operator {Operator} broke off unexpectedly.")]
    internal static partial void StreamFailed(this ILogger log, string @operator, Exception error);

    [LoggerMessage(30, LogLevel.Error, "Configuration {Revision} was refused as a whole, the one before it stays in force: {Errors}")]
    internal static partial void ConfigRefused(this ILogger log, ulong revision, string errors);

    [LoggerMessage(31, LogLevel.Information, "Configuration {Revision}: {Changed} peers changed or added, {Removed} removed.")]
    internal static partial void DeviceUpdated(this ILogger log, ulong revision, int changed, int removed);

    [LoggerMessage(32, LogLevel.Error, "The configuration could not be applied to the {Part}; it is tried again.")]
    internal static partial void ApplyFailed(this ILogger log, string part, Exception error);

    [LoggerMessage(33, LogLevel.Warning, "Not all of configuration {Revision} is in force: {Faults}")]
    internal static partial void Faults(this ILogger log, ulong revision, string faults);

    [LoggerMessage(34, LogLevel.Information, "All of configuration {Revision} is in force.")]
    internal static partial void NoFaults(this ILogger log, ulong revision);

    [LoggerMessage(35, LogLevel.Warning, "The failure policy of the mesh is Open: while a tunnel is not there, packets for it leave this node in the clear.")]
    internal static partial void PolicyOpen(this ILogger log);

    [LoggerMessage(36, LogLevel.Warning, "The node was released: nothing of the mesh is left on it but its key. Another start of this agent connects it again.")]
    internal static partial void Released(this ILogger log);

    [LoggerMessage(40, LogLevel.Warning, "The cached configuration {Path} is ignored: {Reason}.")]
    internal static partial void CacheIgnored(this ILogger log, string path, string reason);

    [LoggerMessage(41, LogLevel.Warning, "The configuration could not be cached in {Path}: {Error}")]
    internal static partial void CacheNotSaved(this ILogger log, string path, string error);

    [LoggerMessage(60, LogLevel.Warning, "The socket for `wg` is not served: {Error}")]
    internal static partial void UapiNotServed(this ILogger log, string error);

    [LoggerMessage(61, LogLevel.Warning, "A change by `wg` was refused: {Error}")]
    internal static partial void UapiRefused(this ILogger log, string error);

    [LoggerMessage(50, LogLevel.Warning, "The name {Name} does not resolve: {Error}")]
    internal static partial void NameFailed(this ILogger log, string name, string error);

    [LoggerMessage(70, LogLevel.Information, "Interface {Interface} is there; `wg` configures it through {Socket}.")]
    internal static partial void DeviceStarted(this ILogger log, string @interface, string socket);

    [LoggerMessage(73, LogLevel.Information, "ChaCha20-Poly1305 is computed by {Implementation}.")]
    internal static partial void AeadInUse(this ILogger log, string implementation);

    [LoggerMessage(72, LogLevel.Warning, "{Report}")]
    internal static partial void DeviceReported(this ILogger log, string report);

    [LoggerMessage(71, LogLevel.Information, "Interface {Interface} ends: {Reason}.")]
    internal static partial void DeviceStopping(this ILogger log, string @interface, string reason);
}
