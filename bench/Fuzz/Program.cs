using System.Diagnostics;
using System.Globalization;
using WgMesh.Fuzz;
using WgMesh.Fuzz.Targets;

// usage: dotnet run -c Release --project bench/Fuzz -- [TARGET] [--seed N] [--seconds S] [--iteration I]
FuzzTarget[] targets =
    [new ProtocolTarget(), new PacketTarget(), new OffloadTarget(), new UapiTarget(), new UapiSocketTarget(), new NetlinkTarget(), new ManifestTarget()];
ulong seed = (ulong)Random.Shared.NextInt64(), iteration = 0;
var seconds = 60.0;
var only = false;
for (var i = 0; i < args.Length; i++)
{
    var value = i + 1 < args.Length ? args[i + 1] : "";
    if (args[i] == "--seed" && ulong.TryParse(value, CultureInfo.InvariantCulture, out seed)
        || args[i] == "--seconds" && double.TryParse(value, CultureInfo.InvariantCulture, out seconds)
        || args[i] == "--iteration" && (only = ulong.TryParse(value, CultureInfo.InvariantCulture, out iteration)))
    {
        i++;
    }
    else if (targets.SingleOrDefault(target => target.Name == args[i]) is { } target)
    {
        targets = [target];
    }
    else
    {
        Console.Error.WriteLine($"usage: [{string.Join(" | ", targets.Select(t => t.Name))}] [--seed N] [--seconds S] [--iteration I]");
        return 2;
    }
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {string.Join(", ", targets.Select(t => t.Name))}, {(only ? $"iteration {iteration}" : $"{seconds} s each")}"));
var failed = false;
foreach (var target in targets)
{
    var watch = Stopwatch.StartNew();
    var count = iteration;
    string? failure;
    do
    {
        failure = Play(target, seed, count++);
    }
    while (failure is null && !only && watch.Elapsed.TotalSeconds < seconds);

    failed |= failure is not null;
    Console.WriteLine(failure ?? $"{target.Name}: {count - iteration} scenarios, every rule held");
}

return failed ? 1 : 0;

// An iteration depends on nothing but the seed and its number, so that it can be played alone.
static string? Play(FuzzTarget target, ulong seed, ulong iteration)
{
    var samples = Scenario.Of(seed, iteration);
    try
    {
        target.Run(samples);
        return null;
    }
    catch (Exception e)
    {
        return $"""
            {target.Name} FAILED: {(e is FuzzException ? e.Message : e.ToString())}
            samples:
              {string.Join("\n  ", samples)}
            again: dotnet run -c Release --project bench/Fuzz -- {target.Name} --seed {seed} --iteration {iteration}
            """;
    }
}
