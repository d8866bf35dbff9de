using Microsoft.Extensions.Logging;

namespace WgMesh.Kubernetes;

/// <summary>What is said about the API server. Event ids are stable: 50x informers, 51x election, 52x events.</summary>
internal static partial class Log
{
    [LoggerMessage(501, LogLevel.Warning, "{Kind}s cannot be listed or watched, what was known of them stays in force; trying again: {Reason}")]
    public static partial void OutageBegan(ILogger logger, string kind, string reason);

    [LoggerMessage(502, LogLevel.Information, "{Kind}s are up to date again after {Seconds:0.0} s")]
    public static partial void OutageEnded(ILogger logger, string kind, double seconds);

    [LoggerMessage(503, LogLevel.Debug, "The watch of {Kind}s broke: {Reason}")]
    public static partial void WatchBroke(ILogger logger, string kind, string reason);

    [LoggerMessage(504, LogLevel.Debug, "The version of the {Kind}s known is too old to go on from, they are listed anew: {Reason}")]
    public static partial void VersionExpired(ILogger logger, string kind, string reason);

    [LoggerMessage(505, LogLevel.Debug, "Listed {Count} {Kind}s at version {Version}")]
    public static partial void Listed(ILogger logger, int count, string kind, string version);

    [LoggerMessage(506, LogLevel.Error, "A handler of changes of {Kind}s failed")]
    public static partial void ChangeHandlerFailed(ILogger logger, string kind, Exception exception);

    [LoggerMessage(510, LogLevel.Information, "Lease {Lease}: {Leader} leads")]
    public static partial void LeaderSeen(ILogger logger, string lease, string leader);

    [LoggerMessage(511, LogLevel.Information, "Lease {Lease}: this process leads, as {Identity}")]
    public static partial void Leads(ILogger logger, string lease, string identity);

    [LoggerMessage(512, LogLevel.Warning, "Lease {Lease}: this process no longer leads: {Reason}")]
    public static partial void LeadLost(ILogger logger, string lease, string reason);

    [LoggerMessage(513, LogLevel.Information, "Lease {Lease}: released")]
    public static partial void Released(ILogger logger, string lease);

    [LoggerMessage(514, LogLevel.Warning, "Lease {Lease}: could not be released, it runs out by itself: {Reason}")]
    public static partial void NotReleased(ILogger logger, string lease, string reason);

    [LoggerMessage(515, LogLevel.Error, "Lease {Lease}: the leader's work ended, the lease is given up; trying again in {Seconds:0.0} s")]
    public static partial void LeadEnded(ILogger logger, string lease, double seconds, Exception? exception);

    [LoggerMessage(516, LogLevel.Error,
        "Lease {Lease}: the leader's work does not end within {Seconds:0} s; the lease is left to run out, and this process leads no more until it has ended")]
    public static partial void LeadDoesNotEnd(ILogger logger, string lease, double seconds);

    [LoggerMessage(517, LogLevel.Warning, "Lease {Lease}: cannot be read or written; trying again: {Reason}")]
    public static partial void LeaseUnreachable(ILogger logger, string lease, string reason);

    [LoggerMessage(518, LogLevel.Information, "Lease {Lease}: can be read and written again")]
    public static partial void LeaseReachable(ILogger logger, string lease);

    [LoggerMessage(519, LogLevel.Error, "Lease {Lease}: a handler of a change of leader failed")]
    public static partial void LeaderHandlerFailed(ILogger logger, string lease, Exception exception);

    [LoggerMessage(521, LogLevel.Warning, "Events cannot be written: {Reason}")]
    public static partial void EventsNotWritten(ILogger logger, string reason);

    [LoggerMessage(522, LogLevel.Warning, "More events happen than can be written: the newest are left out")]
    public static partial void EventsLeftOut(ILogger logger);
}
