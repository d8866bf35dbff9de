using System.Text;
using System.Text.Json;

namespace WgMesh.Kubernetes.Tests;

public class SecretTests
{
    private static readonly Secret Psk = JsonSerializer.Deserialize(
        """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"psk","namespace":"wgmesh"},"type":"Opaque","data":{"a":"aGlkZGVu","b":"b2xk"},"stringData":{"b":"plain"}}""",
        KubernetesJson.Default.Secret)!;

    [Fact]
    public void Its_text_names_it_and_shows_no_value()
    {
        Assert.Equal("Secret wgmesh/psk (values hidden)", Psk.ToString());
        Assert.Equal("Secret wgmesh/psk (values hidden)", $"{Psk}");
    }

    [Fact]
    public void Data_is_base64_and_stringData_wins_over_it()
    {
        Assert.Equal("hidden", Encoding.UTF8.GetString(Psk.Find("a")!));
        Assert.Equal("plain", Encoding.UTF8.GetString(Psk.Find("b")!));
        Assert.Null(Psk.Find("c"));
    }
}
