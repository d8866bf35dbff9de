using WgMesh.Engine.Protocol;

namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoLoadTests(WireGuardGoPeers peers) : LoadTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class KernelLoadTests(LonelyKernelPeers peers) : LoadTests(peers), IClassFixture<LonelyKernelPeers>;

/// <summary>Handshakes with a machine that others keep busy: it takes part in none before the other side has shown that it owns its address.</summary>
[Trait("needs", "system")]
public abstract class LoadTests : IDisposable
{
    private readonly NamespaceHost _ours;
    private readonly WireGuardHost _theirs;

    protected LoadTests(Peers peers)
    {
        ArgumentNullException.ThrowIfNull(peers);
        var lan = new Lan(peers.Wire);
        _theirs = peers.Start(lan, 2);
        _ours = NamespaceHost.StartWgMesh(lan, 1);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>S1: for initiations (the other side initiates) and for responses (the loaded side does) alike.</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void Under_load_a_handshake_takes_a_cookie_and_then_succeeds(bool weAreLoaded, bool weInitiate)
    {
        var (loaded, other) = weAreLoaded ? (_ours, _theirs) : (_theirs, (WireGuardHost)_ours);
        var (initiator, responder) = weInitiate ? (_ours, _theirs) : (_theirs, (WireGuardHost)_ours);
        using var ear = new Eavesdropper(_ours.Namespace);
        using var flood = new InitiationFlood(loaded);
        Wait.Until(() => flood.Cookies > 0, "cookies for those who flood");

        // should the load have lapsed for the moment of the handshake, there is another
        Wait.Until(
            () =>
            {
                initiator.AddPeer(responder, knowsEndpoint: true);
                responder.AddPeer(initiator, knowsEndpoint: false);
                Wait.Until(() => initiator.TryPing(responder, seconds: 1), "a handshake under load", TimeSpan.FromMinutes(2));
                _ours.RemovePeer(_theirs);
                _theirs.RemovePeer(_ours);
                var cookieAt = ear.Messages.FirstOrDefault(m => m.Type == MessageType.CookieReply && m.From == loaded.Underlay(false))?.At;
                return ear.Messages.Any(m => m.HasMac2 && m.From == other.Underlay(false) && m.At > cookieAt);
            },
            "a handshake with a cookie",
            TimeSpan.FromMinutes(3));
    }
}
