namespace WgMesh.Rpc.Server;

/// <summary>Marks that gRPC is among the services of a host, and whether one was mapped.</summary>
internal sealed class MappedServices
{
    private bool _any;

    /// <summary>True the first time.</summary>
    public bool TakeFirst() => !_any && (_any = true);
}
