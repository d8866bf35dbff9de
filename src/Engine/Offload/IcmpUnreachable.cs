namespace WgMesh.Engine.Offload;

/// <summary>The answer to a packet that no peer can be sent.</summary>
internal static class IcmpUnreachable
{
    /// <summary>Bytes of the longest answer: IPv6's smallest MTU.</summary>
    public const int MaximumLength = 1280;

    public static bool TryWrite(ReadOnlySpan<byte> packet, Span<byte> destination, out int length)
    {
        length = 0; // follows
        return false;
    }
}
