using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class FileFaultTests
{
    [Fact]
    public void A_folder_of_another_user_is_told_with_what_to_do() => Assert.Equal(
        "cni: /opt/cni/bin/ptp cannot be changed, for permission is denied: /opt/cni/bin and the file must belong to root (chown)",
        FileFault.Try("/opt/cni/bin/ptp", () => throw new UnauthorizedAccessException()));

    [Fact]
    public void A_mistake_of_ours_is_no_fault_of_the_node() =>
        Assert.Throws<InvalidOperationException>(() => FileFault.Try("/opt/cni/bin/ptp", () => throw new InvalidOperationException()));
}
