using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using WgMesh.Kubernetes;
using WgMesh.Operator.Reconciling;

namespace WgMesh.Operator.Tests.Reconciling;

public class StatusPaceTests
{
    private readonly ManualTime _time = new();
    private readonly StatusPace _pace;
    private readonly object _item = new();

    public StatusPaceTests() => _pace = new StatusPace(_time);

    [Fact]
    public void Counters_are_written_once_a_minute_for_each_object_and_not_before_a_new_leader_is_a_minute_old()
    {
        Assert.Equal(TimeSpan.FromSeconds(60), Counters());
        Pass(60);
        Assert.Equal(TimeSpan.Zero, Counters());
        _pace.Written("a", inEssence: false);
        Assert.Equal(TimeSpan.FromSeconds(60), Counters());
        Assert.Equal(TimeSpan.Zero, _pace.Rest("b", _item, inEssence: false));

        Pass(45);
        Assert.Equal(TimeSpan.FromSeconds(15), Counters());
        _pace.Written("a", inEssence: true); // which has them as well
        Assert.Equal(TimeSpan.FromSeconds(60), Counters());
    }

    [Fact]
    public void What_is_essential_is_written_at_once_and_ever_more_slowly_while_it_keeps_flipping()
    {
        var waits = new List<double>();
        for (var i = 0; i < 14; i++)
        {
            waits.Add(Essence().TotalSeconds);
            _time.Advance(Essence());
            Assert.Equal(TimeSpan.Zero, Essence());
            _pace.Written("a", inEssence: true);
        }

        Assert.Equal([0, 0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60], waits);
        Assert.Equal(TimeSpan.Zero, _pace.Rest("b", _item, inEssence: true));

        Pass(60 + 59); // still flipping
        _pace.Written("a", inEssence: true);
        Assert.Equal(TimeSpan.FromSeconds(60), Essence());
        Pass(60 + 60); // it had come to rest
        _pace.Written("a", inEssence: true);
        Assert.Equal(TimeSpan.Zero, Essence());
    }

    [Fact]
    public void A_flapping_object_costs_a_bounded_number_of_writes()
    {
        var writes = 0;
        for (var second = 0; second < 3600; second++, Pass(1))
        {
            if (Essence() > TimeSpan.Zero)
                continue;
            _pace.Written("a", inEssence: true);
            writes++;
        }

        Assert.InRange(writes, 60, 75);
    }

    [Fact]
    public void What_failed_is_tried_again_ever_more_slowly_until_it_goes_well()
    {
        var waits = new List<double>();
        for (var i = 0; i < 9; i++)
        {
            _pace.Failed("a", _item);
            waits.Add(Essence().TotalSeconds);
            _time.Advance(Essence());
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60, 60], waits);
        _pace.Written("a", inEssence: true);
        Assert.Equal(TimeSpan.Zero, Essence());
        _pace.Failed("a", _item);
        Assert.Equal(TimeSpan.FromSeconds(1), Essence());
    }

    [Fact]
    public void What_failed_is_tried_at_once_if_the_object_is_another_one_now()
    {
        for (var i = 0; i < 5; i++)
            _pace.Failed("a", _item);
        Assert.Equal(TimeSpan.FromSeconds(16), Essence());
        Assert.Equal(TimeSpan.Zero, _pace.Rest("a", new object(), inEssence: true));
    }

    [Fact]
    public void An_object_that_is_gone_leaves_nothing_behind()
    {
        foreach (var key in (string[])["a", "b"])
            _pace.Failed(key, _item);
        _pace.Forget(key => key == "a");
        Assert.Equal(TimeSpan.Zero, Essence());
        Assert.Equal(TimeSpan.FromSeconds(1), _pace.Rest("b", _item, inEssence: true));
    }

    [Fact]
    public void A_thousand_failures_of_a_kind_are_one_line_a_minute()
    {
        var lines = new Lines();
        var log = new FailureLog(lines, _time);
        for (var i = 0; i < 1000; i++)
            log.Failed($"peer {i}", new ApiException(403, "Forbidden", $"no {i}"));
        log.Failed("peer 7", new ApiException(500, "InternalError", "broken"));
        log.Failed("peer 8", new HttpRequestException("no route"));
        Assert.Equal(["peer 0", "peer 7", "peer 8"], lines.Texts.Select(line => Regex.Match(line, @"peer \d+").Value));

        Pass(60);
        log.Failed("peer 9", new ApiException(403, "Forbidden", "no"));
        Assert.Contains("peer 9 (and 999 times more", lines.Texts[^1], StringComparison.Ordinal);
        Pass(60);
        log.Failed("peer 10", new ApiException(403, "Forbidden", "no"));
        Assert.DoesNotContain("more", lines.Texts[^1], StringComparison.Ordinal);
    }

    private TimeSpan Counters() => _pace.Rest("a", _item, inEssence: false);

    private TimeSpan Essence() => _pace.Rest("a", _item, inEssence: true);

    private void Pass(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    private sealed class Lines : ILogger
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Texts.Add(formatter(state, exception));
    }
}
