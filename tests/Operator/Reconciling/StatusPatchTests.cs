using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Tests.Reconciling;

public sealed class StatusPatchTests
{
    [Fact]
    public void The_first_handshake_is_news_and_later_ones_can_wait()
    {
        var now = new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

        Assert.False(StatusPatch.SameInEssence(Status("0/0", null), Status("1/1", now)));
        Assert.False(StatusPatch.SameInEssence(Status(null, null), Status("0/1", null)));
        Assert.True(StatusPatch.SameInEssence(Status("1/1", now), Status("2/2", now.AddMinutes(2))));
        Assert.False(StatusPatch.Same(Status("1/1", now), Status("2/2", now.AddMinutes(2))));
    }

    [Fact]
    public void Lists_without_entries_are_left_out_for_kubectl_would_show_brackets()
    {
        Assert.DoesNotContain(StatusPatch.Write(new WireGuardPeerStatus { ObservedGeneration = 1 }), field => field.Key == "addresses");
        Assert.DoesNotContain(StatusPatch.Write(new WireGuardMeshStatus { ObservedGeneration = 1 }), field => field.Key is "conflicts" or "agentVersions");
        Assert.Equal("[\"10.90.0.1/32\"]", StatusPatch.Write(new WireGuardPeerStatus { ObservedGeneration = 1, Addresses = ["10.90.0.1/32"] })["addresses"]!.ToJsonString());
    }

    private static WireGuardPeerStatus Status(string? connected, DateTimeOffset? handshake) => new()
    {
        Conditions = [new Condition { Type = "Ready", Status = "True", Reason = connected == "0/0" ? "Idle" : "Connected" }],
        ObservedGeneration = 1,
        ConnectedNodes = connected,
        LastHandshakeTime = handshake,
    };
}
