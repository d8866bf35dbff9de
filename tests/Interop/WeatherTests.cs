namespace WgMesh.Interop.Tests;

/// <summary>Roads that lose datagrams, carry them twice, and let some overtake others: between our hosts, and with wireguard-go.</summary>
[Trait("needs", "system")]
public sealed class WeatherTests : IDisposable
{
    private const string AllOffloads = "tun-tso,tun-uso,udp-gso,udp-gro";
    private const int Datagrams = 16_000, Size = 1200;

    private readonly Wire _wire = new();

    public void Dispose() => _wire.Dispose();

    [Theory]
    [InlineData(0.02, 0, 0, "")]
    [InlineData(0.02, 0, 0, AllOffloads)]
    [InlineData(0, 0, 0.25, "")]
    [InlineData(0, 0, 0.25, AllOffloads)]
    [InlineData(0, 0.05, 0, "")]
    [InlineData(0, 0.05, 0, AllOffloads)]
    [InlineData(0.02, 0.05, 0.25, "")]
    [InlineData(0.02, 0.05, 0.25, AllOffloads)]
    public Task Nothing_is_changed_or_delivered_twice_and_what_the_road_lets_through_arrives(double loss, double duplicate, double overtake, string disabled)
    {
        var lan = new Lan(_wire);
        return CrossAsync(NamespaceHost.StartWgMesh(lan, 1, disabled), NamespaceHost.StartWgMesh(lan, 2, disabled), new Weather(loss, duplicate, overtake));
    }

    [Theory]
    [InlineData("")]
    [InlineData(AllOffloads)]
    public Task So_it_is_with_wireguard_go(string disabled)
    {
        var lan = new Lan(_wire);
        return CrossAsync(NamespaceHost.StartWgMesh(lan, 1, disabled), NamespaceHost.StartWireGuardGo(lan, 2), new Weather(0.02, 0.05, 0.25));
    }

    private static async Task CrossAsync(NamespaceHost left, NamespaceHost right, Weather weather)
    {
        using (left)
        using (right)
        {
            left.AddPeer(right, knowsEndpoint: false);
            right.AddPeer(left, knowsEndpoint: false);
            using var road = new StormyRoad(left, right, weather);
            Wait.Until(() => left.TryPing(right, seconds: 1), "the first ping");

            foreach (var (from, to, way, ipv6) in new[] { (left, right, road.LeftToRight, false), (right, left, road.RightToLeft, true) })
            {
                await TcpStreams.CarryAsync(from, to, ipv6, 4 << 20);
                var arrived = NumberedDatagrams.Carry(from, to, ipv6, Datagrams, Size, () => way.Lost);
                Assert.Distinct(arrived);
                // A machine that is busy may change the order of a few by itself, by moving a thread to another processor.
                var overtaken = NumberedDatagrams.Overtaken(arrived);
                Assert.True(weather.Overtake > 0 ? overtaken > 0 : overtaken < Datagrams / 100, $"{overtaken} of {arrived.Count} were overtaken");
                // it was no fair weather
                Assert.Equal(weather.Loss > 0, way.Lost > 0);
                Assert.Equal(weather.Duplicate > 0, way.Doubled > 0);
                Assert.Equal(weather.Overtake > 0, way.Overtakes > 0);
            }
        }
    }
}
