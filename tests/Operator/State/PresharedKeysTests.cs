using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Engine;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using WgMesh.Operator.Tests.Reconciling;

namespace WgMesh.Operator.Tests.State;

[Trait("needs", "system")]
[Collection(KubernetesServerCollection.Name)]
public sealed class PresharedKeysTests(KubernetesServer server) : IAsyncLifetime
{
    private static readonly string Key = Convert.ToBase64String(Enumerable.Repeat((byte)7, 32).ToArray());

    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stopped = new();
    private KubernetesClient _client = null!;
    private Task _running = Task.CompletedTask;

    public Task InitializeAsync() => server.ResetAsync();

    public async Task DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client?.Dispose();
        _stopped.Dispose();
    }

    [Fact]
    public async Task A_secret_is_read_at_once_when_something_refers_to_it_and_again_every_minute()
    {
        await PutAsync("there", "presharedKey", Key);
        var keys = await StartAsync(server.Admin, Reference("there"));
        Assert.Equal(SecretKey.ParseBase64(Key), keys.Current.Values[Reference("there")]);

        await PutAsync("new", "other", $" {Key}\n");
        keys.Want([Reference("there"), Reference("new", "other"), Reference("missing")]);
        await KubernetesObjects.WaitAsync(() => keys.Current.Values.ContainsKey(Reference("new", "other")), "the new one");
        Assert.False(keys.Current.Values.ContainsKey(Reference("missing")));

        await PutAsync("missing", "presharedKey", Key);
        await server.DeleteAsync($"/api/v1/namespaces/{KubernetesObjects.Namespace}/secrets/there");
        await NextMinuteAsync(() => keys.Current.Values.ContainsKey(Reference("missing")) && !keys.Current.Values.ContainsKey(Reference("there")));
        Assert.Empty(keys.Current.Problems);
    }

    [Fact]
    public async Task What_is_no_key_is_none()
    {
        await PutAsync("short", "presharedKey", "c2hvcnQ=");
        var keys = await StartAsync(server.Admin, Reference("short"), Reference("short", "absent"));
        Assert.Empty(keys.Current.Values);
    }

    [Fact]
    public async Task A_secret_that_must_not_be_read_is_named_with_the_right_that_is_missing()
    {
        await PutAsync("secret", "presharedKey", Key);
        await server.AddServiceAccountAsync(KubernetesObjects.Namespace, "nobody");
        var token = await server.RequestTokenAsync(KubernetesObjects.Namespace, "nobody", KubernetesServer.Issuer);
        var keys = await StartAsync(server.Configuration(token, null), Reference("secret"));
        Assert.Empty(keys.Current.Values);
        var problem = Assert.Single(keys.Current.Problems);
        Assert.Contains($"Secret {KubernetesObjects.Namespace}/secret", problem, StringComparison.Ordinal);
        Assert.Contains("resourceNames [\"secret\"], verbs [\"get\"]", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_the_server_is_away_what_it_said_stays_and_nothing_is_said_of_a_secret_never_seen()
    {
        await PutAsync("there", "presharedKey", Key);
        using var proxy = server.OpenProxy();
        var keys = await StartAsync(server.Configuration(null, proxy), Reference("there"));
        proxy.IsRefusing = true;
        proxy.DropConnections();
        await NextMinuteAsync(() => keys.Current.Problems.Length == 1);
        Assert.Contains("what was read before stays in force", keys.Current.Problems[0], StringComparison.Ordinal);
        Assert.Equal(SecretKey.ParseBase64(Key), keys.Current.Values[Reference("there")]);

        proxy.IsRefusing = false;
        await NextMinuteAsync(() => keys.Current.Problems.IsEmpty);
    }

    private static SecretReference Reference(string name, string key = "presharedKey") => new(KubernetesObjects.Namespace, name, key);

    private async Task<PresharedKeys> StartAsync(KubernetesClientConfiguration configuration, params ImmutableHashSet<SecretReference> references)
    {
        _client = new KubernetesClient(configuration);
        var keys = new PresharedKeys(_client, _time, NullLogger.Instance);
        keys.Want(references);
        await keys.LookUpFirstAsync(_stopped.Token);
        _running = keys.RunAsync(_stopped.Token);
        return keys;
    }

    private Task PutAsync(string name, string key, string value) => server.SendAsync(
        HttpMethod.Post, $"/api/v1/namespaces/{KubernetesObjects.Namespace}/secrets", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name },
            ["data"] = new JsonObject { [key] = Convert.ToBase64String(Encoding.UTF8.GetBytes(value)) },
        });

    private async Task NextMinuteAsync(Func<bool> condition) => await KubernetesObjects.WaitAsync(
        () =>
        {
            if (_time.Waits.Count > 0)
                _time.Advance(_time.Waits.Max());
            return Task.FromResult(condition());
        },
        () => "the next reading");
}
