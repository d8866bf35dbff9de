namespace WgMesh.Engine.Device;

/// <summary>Why a configuration was refused, whole.</summary>
/// <param name="Errno">A positive Linux errno, for the UAPI.</param>
/// <param name="Message">Names what is wrong and what would be right; holds no secret.</param>
public sealed record DeviceError(int Errno, string Message)
{
    /// <summary>EINVAL.</summary>
    public const int InvalidArgument = 22;

    /// <summary>EADDRINUSE.</summary>
    public const int AddressInUse = 98;

    /// <summary>EIO.</summary>
    public const int InputOutput = 5;
}
