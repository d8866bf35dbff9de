namespace WgMesh.Interop.Tests;

public sealed class WireGuardGoWeatherTests(WireGuardGoPeers peers) : WeatherTests(peers), IClassFixture<WireGuardGoPeers>;

public sealed class WgMeshWeatherTests(WgMeshPeers peers) : WeatherTests(peers), IClassFixture<WgMeshPeers>;

/// <summary>Roads that lose datagrams, carry them twice, and let some overtake others. The kernel's host is no namespace of this machine.</summary>
[Trait("needs", "system")]
public abstract class WeatherTests(Peers peers)
{
    private const string AllOffloads = "tun-tso,tun-uso,udp-gso,udp-gro";
    private const int Datagrams = 16_000, Size = 1200;

    [Theory]
    [InlineData(0.02, 0, 0, "")]
    [InlineData(0.02, 0, 0, AllOffloads)]
    [InlineData(0, 0, 0.25, "")]
    [InlineData(0, 0, 0.25, AllOffloads)]
    [InlineData(0, 0.05, 0, "")]
    [InlineData(0, 0.05, 0, AllOffloads)]
    [InlineData(0.02, 0.05, 0.25, "")]
    [InlineData(0.02, 0.05, 0.25, AllOffloads)]
    public async Task Nothing_is_changed_or_delivered_twice_and_what_the_road_lets_through_arrives(double loss, double duplicate, double overtake, string disabled)
    {
        var weather = new Weather(loss, duplicate, overtake);
        var lan = new Lan(peers.Wire);
        using var left = NamespaceHost.StartWgMesh(lan, 1, disabled);
        // as we are switched off, so are they, where that can be
        using var right = peers is WgMeshPeers ? NamespaceHost.StartWgMesh(lan, 2, disabled) : (NamespaceHost)peers.Start(lan, 2);
        left.AddPeer(right, knowsEndpoint: false);
        right.AddPeer(left, knowsEndpoint: false);
        using var road = new StormyRoad(left, right, weather);
        Wait.Until(() => left.TryPing(right, seconds: 1), "the first ping");

        foreach (var (from, to, way, ipv6) in new[] { (left, right, road.LeftToRight, false), (right, left, road.RightToLeft, true) })
        {
            await TcpStreams.CarryAsync(from, to, ipv6, 4 << 20);
            var arrived = NumberedDatagrams.Carry(from, to, ipv6, Datagrams, Size, () => way.Lost, forgiven: ipv6 ? peers.MissingOverIPv6 : 0);
            Assert.Distinct(arrived);
            // A machine that is busy may change the order of a few by itself, by moving a thread to another processor.
            var overtaken = NumberedDatagrams.Overtaken(arrived);
            Assert.True(overtake > 0 ? overtaken > 0 : overtaken < Datagrams / 20, $"{overtaken} of {arrived.Count} were overtaken");
            // it was no fair weather
            Assert.Equal(loss > 0, way.Lost > 0);
            Assert.Equal(duplicate > 0, way.Doubled > 0);
            Assert.Equal(overtake > 0, way.Overtakes > 0);
        }
    }
}
