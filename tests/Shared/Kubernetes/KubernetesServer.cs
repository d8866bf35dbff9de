using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using WgMesh.Kubernetes;

namespace WgMesh.Tests.Shared;

/// <summary>
/// A real kube-apiserver with its etcd, on loopback ports of its own, with RBAC, bound service-account tokens and nothing else of a cluster: no
/// controllers, so nobody collects garbage, and no kubelets, so pods stay as they were made. Tests that share one keep to names of their own.
/// Classes that use it carry <c>[Trait("needs", "system")]</c> and <c>[Collection(KubernetesServerCollection.Name)]</c>.
/// </summary>
public sealed class KubernetesServer : IAsyncLifetime
{
    /// <summary>What tokens are issued by, and what a token for the API server itself is for.</summary>
    public const string Issuer = "https://kubernetes.default.svc";

    /// <summary>A machine with two cores, busy with other tests, takes its time.</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("wgmesh-kubernetes-");
    private readonly KubernetesCertificates _certificates = new();
    private readonly ServerProcesses _processes;
    private HttpClient? _admin;
    private int _etcdPort;
    private int _etcdPeerPort;
    private int _port;

    public KubernetesServer() => _processes = new ServerProcesses(_folder.FullName);

    /// <summary>Where the API server is; the same after it was stopped and started.</summary>
    public Uri Url => new($"https://127.0.0.1:{_port}");

    /// <summary>As somebody who may do everything.</summary>
    public KubernetesClientConfiguration Admin => Configuration(null, null);

    /// <summary>A kubeconfig of the same administrator, for kubectl and for the operator.</summary>
    public string KubeconfigPath => Path.Combine(_folder.FullName, "admin.conf");

    /// <summary>Its files: logs, <c>ca.crt</c>, <c>admin.crt</c>, <c>admin.key</c>, <c>serviceaccount.key</c>. Gone when it is disposed of.</summary>
    public string Folder => _folder.FullName;

    /// <summary>Signs the tokens that the server believes; with it tests make those that it should not.</summary>
    public ECDsa ServiceAccountKey => _certificates.ServiceAccountKey;

    public async Task InitializeAsync()
    {
        try
        {
            _certificates.Write(_folder.FullName);
            _admin = new HttpClient(new SocketsHttpHandler
            {
                SslOptions =
                {
                    ClientCertificates = [_certificates.Admin],
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => _certificates.IsServing(certificate),
                },
            }) { Timeout = Limit };
            await StartEtcdAsync();
            await StartApiServerAsync();
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public Task DisposeAsync()
    {
        _processes.Dispose();
        _admin?.Dispose();
        _certificates.Dispose();
        _folder.Delete(recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>As the bearer of a token, or as the administrator; directly or by way of a proxy.</summary>
    public KubernetesClientConfiguration Configuration(string? token, TcpProxy? proxy) => new()
    {
        Host = proxy is null ? Url : new Uri($"https://127.0.0.1:{proxy.Port}"),
        SslCaCerts = [_certificates.Authority],
        ClientCertificate = token is null ? _certificates.Admin : null,
        AccessToken = token,
    };

    /// <summary>Something between a client and the server that tests can break. Whoever opens it disposes of it.</summary>
    public TcpProxy OpenProxy() => new(new IPEndPoint(IPAddress.Loopback, _port));

    /// <summary>Kills the API server; what it stored stays in etcd.</summary>
    public Task StopApiServerAsync() => _processes.KillAsync("kube-apiserver");

    /// <summary>Starts the API server, on the port that it had, and waits until it is ready.</summary>
    public async Task StartApiServerAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            var isFirst = _port == 0;
            var port = isFirst ? FreePorts.Next() : _port;
            _processes.Start("kube-apiserver", Program("kube-apiserver"), ApiServerArguments(port));
            if (await IsReadyAsync("kube-apiserver", new Uri($"https://127.0.0.1:{port}/readyz")))
            {
                _port = port;
                await File.WriteAllTextAsync(KubeconfigPath, Kubeconfig());
                return;
            }

            // somebody else was quicker to take the port
            if (attempt == 5 || !_processes.Log("kube-apiserver").Contains("address already in use", StringComparison.Ordinal))
                throw new InvalidOperationException($"kube-apiserver ended at once:\n{_processes.Log("kube-apiserver")}");
        }
    }

    /// <summary>Takes everything away that is stored: the API server comes back empty, and its versions begin anew, below those that were.</summary>
    public async Task EmptyStorageAsync()
    {
        await StopApiServerAsync();
        await _processes.KillAsync("etcd");
        Directory.Delete(Path.Combine(_folder.FullName, "etcd"), recursive: true);
        await StartEtcdAsync();
        await StartApiServerAsync();
    }

    /// <summary>
    /// Forgets in etcd what came before now, so that lists (<c>continue</c>) of earlier versions are answered with 410 Gone. A watch is answered
    /// from the API server's memory as long as that reaches back; <see cref="StopApiServerAsync"/> and a start empty it.
    /// </summary>
    /// <returns>The revision (so also resourceVersion) that is the oldest from now on.</returns>
    public async Task<long> CompactAsync()
    {
        var range = await EtcdAsync("kv/range", new JsonObject { ["key"] = "AA==", ["limit"] = 1 });
        var revision = long.Parse(range["header"]!["revision"]!.GetValue<string>(), System.Globalization.CultureInfo.InvariantCulture);
        await EtcdAsync("kv/compaction", new JsonObject { ["revision"] = revision, ["physical"] = true });
        return revision;
    }

    /// <summary>Sends a request as the administrator.</summary>
    /// <param name="path">E.g. <c>/api/v1/nodes/a</c>, with its query.</param>
    /// <exception cref="HttpRequestException">The server refused; the message is the server's, and StatusCode is set.</exception>
    public async Task<JsonObject> SendAsync(HttpMethod method, string path, JsonObject? body = null, string contentType = "application/json")
    {
        using var request = new HttpRequestMessage(method, new Uri(Url, path));
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue(contentType));
        return JsonNode.Parse(await SendAsync(request))!.AsObject();
    }

    /// <summary>Asks for what is no object, e.g. <c>/metrics</c>, as the administrator.</summary>
    public async Task<string> ReadTextAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Url, path));
        return await SendAsync(request);
    }

    private async Task<string> SendAsync(HttpRequestMessage request)
    {
        using var response = await _admin!.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? text
            : throw new HttpRequestException($"{request.Method} {request.RequestUri!.PathAndQuery}: {(int)response.StatusCode} {text}", null, response.StatusCode);
    }

    /// <summary>Makes a namespace, if there is none.</summary>
    public async Task AddNamespaceAsync(string name) =>
        await AddAsync("/api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });

    /// <summary>Makes a service account, if there is none.</summary>
    public async Task AddServiceAccountAsync(string space, string name) => await AddAsync(
        $"/api/v1/namespaces/{space}/serviceaccounts", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });

    /// <summary>Makes a Node. Its uid.</summary>
    public async Task<string> CreateNodeAsync(string name, string? podCidr = null)
    {
        var node = new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } };
        if (podCidr is not null)
            node["spec"] = new JsonObject { ["podCIDR"] = podCidr, ["podCIDRs"] = new JsonArray(podCidr) };
        return Uid(await SendAsync(HttpMethod.Post, "/api/v1/nodes", node));
    }

    /// <summary>Makes a pod that is bound to a node as if it had been scheduled. Its uid.</summary>
    public async Task<string> CreatePodAsync(string space, string name, string serviceAccount, string? node) =>
        Uid(await SendAsync(HttpMethod.Post, $"/api/v1/namespaces/{space}/pods", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject
            {
                ["serviceAccountName"] = serviceAccount,
                ["nodeName"] = node,
                ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = "none" }),
            },
        }));

    /// <summary>A token as the kubelet projects it into a pod.</summary>
    /// <param name="pod">Name and uid of the pod that it is bound to; null: to none.</param>
    /// <param name="lifetime">Ten minutes or more.</param>
    public async Task<string> RequestTokenAsync(
        string space, string serviceAccount, string audience, (string Name, string Uid)? pod = null, TimeSpan? lifetime = null)
    {
        var spec = new JsonObject
        {
            ["audiences"] = new JsonArray(audience),
            ["expirationSeconds"] = (long)(lifetime ?? TimeSpan.FromHours(1)).TotalSeconds,
        };
        if (pod is var (name, uid))
            spec["boundObjectRef"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Pod", ["name"] = name, ["uid"] = uid };
        var answer = await SendAsync(HttpMethod.Post, $"/api/v1/namespaces/{space}/serviceaccounts/{serviceAccount}/token", new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenRequest",
            ["spec"] = spec,
        });
        return answer["status"]!["token"]!.GetValue<string>();
    }

    /// <summary>The claims of a token, to be changed and signed anew.</summary>
    public static JsonObject ReadClaims(string token) =>
        JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!.AsObject();

    /// <summary>A token with these claims.</summary>
    /// <param name="key">Null: the one that the server believes.</param>
    public string SignToken(JsonObject claims, ECDsa? key = null)
    {
        static string Encode(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
        var text = Encode("""{"alg":"ES256"}"""u8.ToArray()) + "." + Encode(Encoding.UTF8.GetBytes(claims.ToJsonString()));
        return text + "." + Encode((key ?? ServiceAccountKey).SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256));
    }

    /// <summary>Installs custom resource definitions, or brings them up to date, and waits until their objects are served.</summary>
    public async Task InstallAsync(params IEnumerable<JsonObject> definitions)
    {
        const string Path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        foreach (var definition in definitions)
        {
            // not by server-side apply: this server refuses there what it does not know, such as CEL rules
            var body = definition.DeepClone().AsObject();
            var name = body["metadata"]!["name"]!.GetValue<string>();
            if (await FindAsync($"{Path}/{name}") is { } found)
            {
                body["metadata"]!["resourceVersion"] = found["metadata"]!["resourceVersion"]!.DeepClone();
                await SendAsync(HttpMethod.Put, $"{Path}/{name}", body);
            }
            else
            {
                await SendAsync(HttpMethod.Post, Path, body);
            }

            var spec = body["spec"]!;
            var resource = $"/apis/{spec["group"]}/{spec["versions"]![0]!["name"]}/{spec["names"]!["plural"]}?limit=1";
            await WaitAsync($"{name} to be served", async () =>
                (await FindAsync($"{Path}/{name}"))?["status"]?["conditions"]?.AsArray()
                    .Any(condition => condition!["type"]!.GetValue<string>() == "Established" && condition["status"]!.GetValue<string>() == "True") == true
                && await FindAsync(resource) is not null);
        }
    }

    /// <summary>An object or list; null if there is none.</summary>
    public async Task<JsonObject?> FindAsync(string path)
    {
        try
        {
            return await SendAsync(HttpMethod.Get, path);
        }
        catch (HttpRequestException e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private static string Uid(JsonObject item) => item["metadata"]!["uid"]!.GetValue<string>();

    private async Task AddAsync(string path, JsonObject item)
    {
        try
        {
            await SendAsync(HttpMethod.Post, path, item);
        }
        catch (HttpRequestException e) when (e.StatusCode == HttpStatusCode.Conflict)
        {
        }
    }

    private async Task<JsonObject> EtcdAsync(string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString());
        using var response = await _admin!.PostAsync(new Uri($"http://127.0.0.1:{_etcdPort}/v3/{path}"), content);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonNode.Parse(text)!.AsObject()
            : throw new HttpRequestException($"etcd {path}: {(int)response.StatusCode} {text}", null, response.StatusCode);
    }

    private async Task StartEtcdAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            // after EmptyStorageAsync nobody but the API server, which is started anew, knows the old one
            (_etcdPort, _etcdPeerPort) = (FreePorts.Next(), FreePorts.Next());
            var client = $"http://127.0.0.1:{_etcdPort}";
            var peer = $"http://127.0.0.1:{_etcdPeerPort}";
            _processes.Start("etcd", "etcd",
            [
                "--data-dir", Path.Combine(_folder.FullName, "etcd"), "--unsafe-no-fsync",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}",
            ]);
            if (await IsReadyAsync("etcd", new Uri($"{client}/health")))
                return;
            if (attempt == 5 || !_processes.Log("etcd").Contains("address already in use", StringComparison.Ordinal))
                throw new InvalidOperationException($"etcd ended at once:\n{_processes.Log("etcd")}");
            Directory.Delete(Path.Combine(_folder.FullName, "etcd"), recursive: true);
        }
    }

    private string[] ApiServerArguments(int port)
    {
        string In(string name) => Path.Combine(_folder.FullName, name);
        return
        [
            $"--etcd-servers=http://127.0.0.1:{_etcdPort}", "--etcd-compaction-interval=0",
            "--bind-address=127.0.0.1", $"--secure-port={port}", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            $"--tls-cert-file={In("apiserver.crt")}", $"--tls-private-key-file={In("apiserver.key")}", $"--client-ca-file={In("ca.crt")}",
            $"--service-account-issuer={Issuer}", $"--service-account-signing-key-file={In("serviceaccount.key")}",
            $"--service-account-key-file={In("serviceaccount.key")}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
            // it waits for the secrets of a controller that is not here
            "--disable-admission-plugins=ServiceAccount",
        ];
    }

    private static string Program(string name)
    {
        var folder = Environment.GetEnvironmentVariable("WGMESH_KUBERNETES");
        var path = folder is null ? null : Path.Combine(folder, name);
        return File.Exists(path)
            ? path
            : throw new InvalidOperationException(
                $"there is no {name} in the folder that WGMESH_KUBERNETES names ({folder ?? "it is not set"}). Run the tests by ./test.sh, which "
                + $"builds it once and sets the variable, or set it to a folder with a {name}.");
    }

    /// <summary>Whether a server answers that all is well; false: it ended before it did.</summary>
    private async Task<bool> IsReadyAsync(string name, Uri url)
    {
        using var limit = new CancellationTokenSource(StartLimit);
        while (_processes.IsRunning(name))
        {
            try
            {
                using var response = await _admin!.GetAsync(url, limit.Token);
                if (response.IsSuccessStatusCode)
                    return true;
            }
            catch (HttpRequestException)
            {
                // not yet
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{name} was not ready within {StartLimit.TotalSeconds:0} seconds:\n{_processes.Log(name)}");
            }

            await Task.Delay(100, CancellationToken.None);
        }

        return false;
    }

    private static async Task WaitAsync(string what, Func<Task<bool>> condition)
    {
        var deadline = Environment.TickCount64 + (long)Limit.TotalMilliseconds;
        while (!await condition())
        {
            if (Environment.TickCount64 > deadline)
                throw new TimeoutException($"waited {Limit.TotalSeconds:0} seconds for {what}");
            await Task.Delay(50);
        }
    }

    private string Kubeconfig() => $"""
        apiVersion: v1
        kind: Config
        clusters:
        - name: test
          cluster:
            server: {Url.GetLeftPart(UriPartial.Authority)}
            certificate-authority: ca.crt
        users:
        - name: admin
          user:
            client-certificate: admin.crt
            client-key: admin.key
        contexts:
        - name: admin@test
          context:
            cluster: test
            user: admin
        current-context: admin@test

        """;
}

/// <summary>Tests that share one API server; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class KubernetesServerCollection : ICollectionFixture<KubernetesServer>
{
    public const string Name = "Kubernetes API server";
}
