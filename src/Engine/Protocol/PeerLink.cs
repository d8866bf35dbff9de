namespace WgMesh.Engine.Protocol;

/// <summary>How a link is. The names, in small letters, are label values of a metric.</summary>
public enum PeerLink
{
    /// <summary>There is no session, and nobody asks for one in vain: a quiet link is no broken one.</summary>
    Idle,

    /// <summary>There is a session, and the peer answers.</summary>
    Up,

    /// <summary>Calls go unanswered.</summary>
    Down,
}

/// <summary>The one place that says how a link is: metrics, reports and health go by it.</summary>
internal static class PeerLinks
{
    /// <summary>Of what is known of a peer.</summary>
    /// <param name="hasLiveSession">Whether there is a session that packets can be sent under.</param>
    /// <param name="unansweredInitiations">Since the peer was last heard under a session. One may just be on its way.</param>
    public static PeerLink Of(bool hasLiveSession, int unansweredInitiations) =>
        unansweredInitiations >= 2 ? PeerLink.Down
        : hasLiveSession ? PeerLink.Up
        : PeerLink.Idle;
}
