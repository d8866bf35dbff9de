namespace WgMesh.Engine.Tests.Device;

/// <summary>These count what the whole process allocates, so nothing runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Memory does not follow the load.</summary>
[Collection(Alone.Name)]
[Trait("needs", "system")]
public sealed class DataPathMemoryTests : IDisposable
{
    // An object per packet would be at least 24 bytes for each of the 10,000 packets, each of which passes four lanes. What the test itself needs
    // to start a program and to read its output is far below.
    private const int Packets = 10_000;
    private const long Little = 500_000;

    private readonly DevicePair _pair = new();

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void However_much_is_carried_nothing_is_allocated_for_it()
    {
        _pair.Start();
        _pair.LeftHost.Exec("ping", "-q", "-f", "-c", "500", "-s", "1200", "10.0.0.2");
        // the least of three: what runs tests sends its results now and then, and what a packet costs is in every measurement
        Assert.InRange(Enumerable.Range(0, 3).Min(_ => Measure()), 0, Little);

        long Measure()
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            _pair.LeftHost.Exec("ping", "-q", "-f", "-c", $"{Packets}", "-s", "1200", "10.0.0.2");
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
    }
}
