namespace WgMesh.Kubernetes;

/// <summary>Tells people of what happened to an object, as Kubernetes events. The same thing said again is counted, not written anew.</summary>
public sealed class EventRecorder(KubernetesClient client, string component, string instance, string space, TimeProvider time)
{
    /// <summary>Records an event in the background; one that cannot be written is dropped.</summary>
    /// <param name="about">The object; cluster-scoped ones have their events in the namespace "default", as kubectl describe looks for them.</param>
    /// <param name="isWarning">Whether it is a Warning, or Normal.</param>
    /// <param name="reason">One CamelCase word.</param>
    /// <param name="message">A sentence.</param>
    public void Record(IKubernetesObject about, bool isWarning, string reason, string message) => throw new NotImplementedException();

    /// <summary>Writes what was recorded, until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
}
