namespace Grpc.Core;

/// <summary>A way to a server, over which clients make calls.</summary>
/// <param name="target">Host and port of the server.</param>
public abstract class ChannelBase(string target)
{
    /// <summary>Host and port of the server.</summary>
    public string Target { get; } = target;

    /// <summary>Makes what starts calls over this channel.</summary>
    /// <returns>The invoker.</returns>
    public abstract CallInvoker CreateCallInvoker();

    /// <summary>Ends the channel and the calls on it.</summary>
    /// <returns>Done when it is down.</returns>
    public Task ShutdownAsync() => ShutdownAsyncCore();

    /// <summary>See <see cref="ShutdownAsync"/>.</summary>
    /// <returns>Done when it is down.</returns>
    protected virtual Task ShutdownAsyncCore() => Task.CompletedTask;
}
