using System.Runtime.InteropServices;

namespace WgMesh.Engine.Linux.Interop;

/// <summary><c>poll.h</c>.</summary>
internal static unsafe partial class PollH
{
    internal const short In = 1; // POLLIN

    /// <summary><c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        internal int Descriptor;
        internal short Events;
        internal short ReturnedEvents;
    }

    [LibraryImport("libc", EntryPoint = "ppoll", SetLastError = true)]
    internal static partial int Wait(PollDescriptor* descriptors, nuint count, TimeH.TimeSpecification* timeout, void* signalMask);
}
