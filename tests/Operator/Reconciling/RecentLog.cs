using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace WgMesh.Operator.Tests.Reconciling;

/// <summary>What operators said last, for the message of a test that fails.</summary>
internal sealed class RecentLog<T> : ILogger<T>
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            RecentLog.Add($"{DateTime.UtcNow:HH:mm:ss.fff} {logLevel} {eventId.Id} {formatter(state, exception)}");
    }
}

internal static class RecentLog
{
    private const int Most = 60;

    private static readonly ConcurrentQueue<string> Lines = new();

    public static string Text => string.Join('\n', Lines);

    public static void Add(string line)
    {
        Lines.Enqueue(line);
        if (Lines.Count > Most)
            Lines.TryDequeue(out _);
    }
}
