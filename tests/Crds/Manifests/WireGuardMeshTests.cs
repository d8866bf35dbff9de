using System.Text.Json;
using static WgMesh.Crds.Tests.Reading;

namespace WgMesh.Crds.Tests;

public class WireGuardMeshTests
{
    [Theory]
    [InlineData("apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardMesh\nmetadata: {name: default}\n")]
    [InlineData("apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardMesh\nmetadata: {name: default}\nspec: {}\n")]
    [InlineData("apiVersion: wgmesh.io/v1alpha1\nkind: WireGuardMesh\nmetadata: {name: default}\nspec: {addressPools: ~, listenPort: , failurePolicy: null}\n")]
    public void What_a_mesh_does_not_say_has_its_default(string text)
    {
        var spec = ReadMesh(text).Spec;

        Assert.Equal(["10.90.0.0/16", "fd90:90::/64"], spec.AddressPools);
        Assert.Equal(51820, spec.ListenPort);
        Assert.Null(spec.Mtu);
        Assert.Equal(0, spec.PersistentKeepalive);
        Assert.Equal(FailurePolicy.Closed, spec.FailurePolicy);
        Assert.Empty(spec.PodCidrs);
        Assert.Empty(spec.ServiceCidrs);
        Assert.Null(spec.Protocol);
    }

    [Theory]
    [InlineData("protocol: {version: 2}", 2, null)]
    [InlineData("protocol: {version: 63, atGeneration: 7}", 63, 7L)]
    [InlineData("protocol: {version: 1, atGeneration: null}", 1, null)]
    public void A_protocol_version_may_be_asked_for_and_from_when_on(string setting, int version, long? at)
    {
        var protocol = ReadMesh(Mesh($"{{{setting}}}")).Spec.Protocol!;
        Assert.Equal((version, at), (protocol.Version, protocol.AtGeneration));
    }

    [Fact]
    public void What_a_mesh_says_takes_the_place_of_the_default()
    {
        var mesh = ReadMesh(Mesh(
            "{addressPools: [10.7.0.0/24], listenPort: 4500, mtu: 1380, persistentKeepalive: 25, failurePolicy: Open, podCIDRs: [10.244.0.0/16], serviceCIDRs: [\"fd00:96::/112\"]}"));

        Assert.Equal(["10.7.0.0/24"], mesh.Spec.AddressPools);
        Assert.Equal((4500, 1380, 25, FailurePolicy.Open), (mesh.Spec.ListenPort, mesh.Spec.Mtu, mesh.Spec.PersistentKeepalive, mesh.Spec.FailurePolicy));
        Assert.Equal(["10.244.0.0/16"], mesh.Spec.PodCidrs);
        Assert.Equal(["fd00:96::/112"], mesh.Spec.ServiceCidrs);
        var text = JsonSerializer.Serialize(mesh, CrdsJson.Default.WireGuardMesh);
        Assert.Equal(text, JsonSerializer.Serialize(ReadMesh(text), CrdsJson.Default.WireGuardMesh));
        Assert.Contains("\"failurePolicy\":\"Open\"", text, StringComparison.Ordinal);
        Assert.Contains("\"podCIDRs\":[", text, StringComparison.Ordinal);
        Assert.Contains("\"serviceCIDRs\":[", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("failurePolicy: closed", "spec.failurePolicy", "is \"closed\"; must be Closed or Open; did you mean Closed?")]
    [InlineData("failurePolicy: Never", "spec.failurePolicy", "is \"Never\"; must be Closed or Open")]
    [InlineData("failurePolicy: 0", "spec.failurePolicy", "is a number; a string is wanted; put it in quotes")]
    [InlineData("mtu: 1279", "spec.mtu", "is 1279; must be from 1280 to 65455")]
    [InlineData("mtu: auto", "spec.mtu", "is a string; a number is wanted; without quotes")]
    [InlineData("listenPort: 0", "spec.listenPort", "is 0; must be from 1 to 65535")]
    [InlineData("persistentKeepalive: 65536", "spec.persistentKeepalive", "is 65536; must be from 0 to 65535")]
    [InlineData("addressPools: []", "spec.addressPools", "has 0 entries; at least 1 must be there, or leave the field out for its default")]
    [InlineData("addressPools: [10.90.0.1/16]", "spec.addressPools[0]", "10.90.0.1/16 has host bits; did you mean 10.90.0.0/16 or 10.90.0.1/32?")]
    [InlineData("protocol: {version: 0}", "spec.protocol.version", "is 0; must be from 1 to 63")]
    [InlineData("protocol: {version: 64}", "spec.protocol.version", "is 64; must be from 1 to 63")]
    [InlineData("protocol: {version: 2, atGeneration: 0}", "spec.protocol.atGeneration", "is 0; must be from 1 to 2147483647")]
    [InlineData("protocol: 2", "spec.protocol", "is a number; a mapping is wanted")]
    [InlineData("podCIDRs: [x]", "spec.podCIDRs[0]", "\"x\" is not a CIDR, which is an address, a slash and a prefix length, such as 10.1.2.0/24 or fd00:1::/64")]
    [InlineData("serviceCIDR: [10.96.0.0/12]", "spec.serviceCIDR", "is not a known field; did you mean serviceCIDRs?")]
    public void A_setting_that_does_not_hold_is_refused(string setting, string field, string message) => Refused(Mesh($"{{{setting}}}"), field, message);

    [Fact]
    public void The_mesh_is_the_one_object_named_default() =>
        Refused(Mesh("{}", "{name: main}"), "metadata.name", "is \"main\"; the settings of the mesh are the one object named default");
}
