using Microsoft.Extensions.Logging;

namespace WgMesh.NodeAgent.Tests;

/// <summary>Keeps what was logged, to be looked at.</summary>
internal sealed class RecordingLog : ILogger
{
    private readonly List<(LogLevel Level, string Text)> _lines = [];

    internal IReadOnlyList<(LogLevel Level, string Text)> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    internal IEnumerable<string> Warnings => Lines.Where(l => l.Level == LogLevel.Warning).Select(l => l.Text);

    internal string All => string.Join('\n', Lines.Select(l => l.Text));

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add((logLevel, formatter(state, exception) + exception));
        }
    }
}
