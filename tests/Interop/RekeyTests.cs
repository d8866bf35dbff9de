using System.Collections.Concurrent;
using System.Globalization;
using WgMesh.Engine.Protocol;

namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoRekeyTests(WireGuardGoPeers peers) : RekeyTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class KernelRekeyTests(KernelPeers peers) : RekeyTests(peers), IClassFixture<KernelPeers>;

/// <summary>The two minutes of a session's life, in full: nothing makes the clocks of other programs go faster.</summary>
[Trait("needs", "system")]
public abstract class RekeyTests(Peers peers)
{
    /// <summary>S5, S8: both roles at the same time, so that there are two minutes to wait and not four.</summary>
    [Fact]
    public Task The_initiator_replaces_a_session_after_two_minutes_and_no_ping_is_lost() => Task.WhenAll(
        Task.Factory.StartNew(() => PingThroughRekey(weInitiate: true), TaskCreationOptions.LongRunning),
        Task.Factory.StartNew(() => PingThroughRekey(weInitiate: false), TaskCreationOptions.LongRunning));

    private void PingThroughRekey(bool weInitiate)
    {
        var lan = new Lan(peers.Wire);
        using var theirs = peers.Start(lan, 2);
        using var ours = NamespaceHost.StartWgMesh(lan, 1);
        var (initiator, responder) = weInitiate ? (ours, theirs) : (theirs, (WireGuardHost)ours);
        using var ear = new Eavesdropper(ours.Namespace);
        initiator.AddPeer(responder, knowsEndpoint: true);
        responder.AddPeer(initiator, knowsEndpoint: false);
        initiator.Ping(responder);
        var (first, firstOfTheirs) = (ours.LatestHandshake(), theirs.LatestHandshake());

        var answered = new ConcurrentQueue<int>();
        using var ping = ours.Namespace.Start("ping", "-n", "-i", "0.2", theirs.Overlay(false));
        try
        {
            ping.OutputDataReceived += (_, line) =>
            {
                // 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.563 ms
                if (line.Data?.Split("icmp_seq=") is [_, var rest])
                {
                    answered.Enqueue(int.Parse(rest.Split(' ')[0], CultureInfo.InvariantCulture));
                }
            };
            ping.BeginOutputReadLine();
            Wait.Until(
                () => ours.LatestHandshake() > first && theirs.LatestHandshake() > firstOfTheirs, "another handshake", TimeSpan.FromMinutes(4));
            var before = answered.Count;
            Wait.Until(() => answered.Count >= before + 25, "pings under the new keys");
        }
        finally
        {
            ping.Kill();
            ping.WaitForExit();
        }

        Assert.Equal(Enumerable.Range(1, answered.Count), answered);
        var initiations = ear.Messages.Where(m => m.Type == MessageType.Initiation).ToList();
        Assert.All(initiations, m => Assert.Equal(initiator.Underlay(false), m.From));
        // a first initiation may have been sent again, on a machine that was busy for longer than 5 s
        var session = ear.Messages.First(m => m.Type == MessageType.Response).At;
        var renewal = initiations.First(m => m.At > session).At;
        Assert.True(renewal - session >= TimeSpan.FromSeconds(115), $"after {renewal - session}"); // as it is heard, which may be late
    }
}
