namespace WgMesh.Engine.Linux.Netlink;

/// <summary>The kernel refused a netlink request. The message ends with the kernel's own explanation where it gives one.</summary>
public sealed class LinkException : LinuxException
{
    /// <summary>For an answer of the kernel.</summary>
    /// <param name="operation">What was asked for, such as <c>set the MTU of wg0 to 20</c>.</param>
    /// <param name="errno">A constant of <see cref="Interop.Errno"/>.</param>
    /// <param name="kernelMessage">The text of the extended acknowledgement; null if there is none.</param>
    public LinkException(string operation, int errno, string? kernelMessage = null)
        : base(operation, errno, kernelMessage) => KernelMessage = kernelMessage;

    /// <summary>The text of the extended acknowledgement; null if there is none.</summary>
    public string? KernelMessage { get; }
}
