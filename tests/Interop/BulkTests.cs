namespace WgMesh.Interop.Tests;

/// <summary>These take the whole machine, so nothing runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Ten gigabytes through tunnels at full speed, compared byte by byte: six between two of ours, four to and from wireguard-go.</summary>
[Collection(Alone.Name)]
[Trait("needs", "system")]
public sealed class BulkTests : IDisposable
{
    private const long Gigabyte = 1_000_000_000;

    private readonly Wire _wire = new();
    private readonly Lan _lan;
    private readonly NamespaceHost _ours;

    public BulkTests()
    {
        _lan = new Lan(_wire);
        _ours = NamespaceHost.StartWgMesh(_lan, 1);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _wire.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Gigabytes_between_two_of_ours_arrive_as_they_were_sent(int connections)
    {
        using var other = NamespaceHost.StartWgMesh(_lan, 2);
        await CarryBothWaysAsync(other, 3 * Gigabyte, connections);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Gigabytes_to_and_from_wireguard_go_arrive_as_they_were_sent(int connections)
    {
        using var theirs = NamespaceHost.StartWireGuardGo(_lan, 2);
        await CarryBothWaysAsync(theirs, 2 * Gigabyte, connections);
    }

    [Theory]
    [InlineData("-P", "8", "--bidir")]
    [InlineData("-u", "-b", "200M", "-l", "1372")]
    public void Iperf3_runs_without_an_error(params string[] arguments)
    {
        using var other = NamespaceHost.StartWgMesh(_lan, 2);
        Introduce(other);
        using var server = other.Namespace.Start("iperf3", "--server", "--one-off", "--bind", other.Overlay(false));
        try
        {
            var output = server.StandardOutput.ReadToEndAsync();
            Wait.Until(() => other.Exec("ss", "-Hltn").Contains(":5201 ", StringComparison.Ordinal), "iperf3 to listen");
            _ours.Exec("iperf3", ["--client", other.Overlay(false), "--time", "3", .. arguments]);
            Assert.True(server.WaitForExit(TimeSpan.FromSeconds(60)));
            Assert.Equal(0, server.ExitCode);
        }
        finally
        {
            server.Kill();
            server.WaitForExit();
        }
    }

    private void Introduce(NamespaceHost other)
    {
        _ours.AddPeer(other, knowsEndpoint: true);
        other.AddPeer(_ours, knowsEndpoint: false);
        _ours.Ping(other);
    }

    private async Task CarryBothWaysAsync(NamespaceHost other, long bytes, int connections)
    {
        Introduce(other);
        await TcpStreams.CarryAsync(_ours, other, ipv6: false, bytes / 2, connections);
        await TcpStreams.CarryAsync(other, _ours, ipv6: true, bytes / 2, connections);
    }
}
