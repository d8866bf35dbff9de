using System.Text.Json.Nodes;
using WgMesh.NodeAgent.Commands;
using WgMesh.Operator.Hosting;
using CommandLine = WgMesh.Cli.CommandLine;

namespace WgMesh.Chart.Tests;

[Trait("needs", "system")]
public sealed class PodTests : IDisposable
{
    private static readonly string[] Needed = ["/dev/net/tun", "/run/wgmesh", "/var/lib/wgmesh/agent"];
    private static readonly string[] NeededForPods = ["/etc/cni/net.d", "/opt/cni/bin", "/var/lib/cni/networks"];

    private readonly string _settings = Path.GetTempFileName();

    public void Dispose() => File.Delete(_settings);

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task Programs_take_what_they_are_called_with(string combination)
    {
        var rendered = await Rendered.OfAsync(Rendered.Combinations[combination]);
        if (rendered.Has("ConfigMap", "wgmesh-settings"))
            await File.WriteAllTextAsync(_settings, (string)rendered["ConfigMap", "wgmesh-settings"]["data"]!["mesh.yaml"]!);
        foreach (var pod in rendered.Pods)
        {
            var arguments = Expand(pod);
            var parsed = (string)pod.Container()["command"]![0]! switch
            {
                "/app/wgmesh-operator" => OperatorCommand.Create((_, _) => Task.FromResult(0)).Parse(arguments),
                "/app/wgmesh-agent" => RunCommand.Create().Parse(arguments[1..]),
                "/app/kubectl-wgmesh" => CommandLine.Create().Parse(arguments),
                var other => throw new InvalidOperationException($"there is no {other} in the image"),
            };
            Assert.True(parsed.Errors.Count == 0, $"{string.Join(' ', arguments)}: {string.Join(", ", parsed.Errors)}");
        }
    }

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task A_pod_has_no_privilege_that_it_does_not_need(string combination)
    {
        var rendered = await Rendered.OfAsync(Rendered.Combinations[combination]);
        foreach (var pod in rendered.Pods)
        {
            var (context, container) = (pod["securityContext"]!, pod.Container()["securityContext"]!);
            Assert.True((bool)container["readOnlyRootFilesystem"]!);
            Assert.Equal("RuntimeDefault", (string)context["seccompProfile"]!["type"]!);
            Assert.Null(pod["hostPID"]);
            Assert.Null(pod["hostIPC"]);
            Assert.NotNull(pod.Container()["resources"]!["limits"]!["memory"]);
            if (pod == rendered.Agent)
                continue;

            Assert.Equal((true, 1654L), ((bool)context["runAsNonRoot"]!, (long)context["runAsUser"]!));
            Assert.False((bool)container["allowPrivilegeEscalation"]!);
            Assert.Equal("""{"drop":["ALL"]}""", container["capabilities"]!.ToJsonString());
            Assert.Empty(pod.HostPaths());
        }
    }

    [Fact]
    public async Task The_agent_is_root_with_one_capability_unless_it_is_to_be_privileged()
    {
        Assert.Equal(
            """{"runAsUser":0,"runAsGroup":0,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"],"add":["NET_ADMIN"]},"seLinuxOptions":{"type":"spc_t"}}""",
            (await Rendered.OfAsync()).Agent.Container()["securityContext"]!.ToJsonString());
        Assert.Equal(
            """{"runAsUser":0,"runAsGroup":0,"readOnlyRootFilesystem":true,"privileged":true,"seLinuxOptions":{"type":"spc_t"}}""",
            (await Rendered.OfAsync("agent.privileged=true")).Agent.Container()["securityContext"]!.ToJsonString());
    }

    [Fact]
    public async Task The_agent_has_no_path_of_the_node_but_those_it_needs()
    {
        var usual = await Rendered.OfAsync();
        var without = await Rendered.OfAsync("cni.mode=none");
        var elsewhere = await Rendered.OfAsync("cni.confDir=/etc/kubernetes/cni/net.d", "cni.binDir=/usr/libexec/cni");
        Assert.Equal([.. Needed, .. NeededForPods], usual.Agent.HostPaths());
        Assert.Equal(Needed, without.Agent.HostPaths());
        Assert.Equal([.. Needed, "/etc/kubernetes/cni/net.d", "/usr/libexec/cni", "/var/lib/cni/networks"], elsewhere.Agent.HostPaths());
    }

    [Theory]
    [MemberData(nameof(Rendered.AllCombinations), MemberType = typeof(Rendered))]
    public async Task What_is_mounted_is_there_and_what_is_there_is_mounted(string combination)
    {
        foreach (var pod in (await Rendered.OfAsync(Rendered.Combinations[combination])).Pods)
        {
            var volumes = (pod["volumes"]?.AsArray() ?? []).Select(volume => (string)volume!["name"]!);
            var mounts = (pod.Container()["volumeMounts"]?.AsArray() ?? []).Select(mount => (string)mount!["name"]!);
            Assert.Equal(volumes.Order(), mounts.Order());
        }
    }

    [Fact]
    public async Task Another_CNI_is_left_alone()
    {
        var arguments = (await Rendered.OfAsync("cni.mode=none")).Agent.Arguments();
        Assert.DoesNotContain(arguments, argument => argument.Contains("cni", StringComparison.Ordinal) || argument == "--masquerade");
    }

    [Fact]
    public async Task An_agent_is_as_old_as_its_pod()
    {
        var agent = (await Rendered.OfAsync()).Agent;
        var folder = Assert.Single(agent.Arguments(), argument => argument.StartsWith("--pod-dir=", StringComparison.Ordinal))["--pod-dir=".Length..];
        var mount = Assert.Single(agent.Container()["volumeMounts"]!.AsArray(), mount => (string)mount!["mountPath"]! == folder);
        var volume = Assert.Single(agent["volumes"]!.AsArray(), volume => (string)volume!["name"]! == (string)mount!["name"]!);
        Assert.Equal("{}", volume!["emptyDir"]!.ToJsonString()); // not of memory: a reboot makes no agent newer either
    }

    // two of them share the node's ports for a moment: declared ports would keep the second one off the node
    [Fact]
    public async Task An_agent_declares_no_port_and_its_probe_is_not_answered_by_another()
    {
        var before = (await Rendered.OfAsync()).Agent;
        Assert.Null(before.Container()["ports"]);
        Assert.Equal($"/readyz?generation={GenerationOf(before)}", (string)before.Container()["readinessProbe"]!["httpGet"]!["path"]!);
        Assert.Matches("^[0-9a-f]{10}$", GenerationOf(before));

        Assert.Equal(GenerationOf(before), GenerationOf((await Rendered.OfAsync("operator.replicas=3")).Agent));
        Assert.NotEqual(GenerationOf(before), GenerationOf((await Rendered.OfAsync("image.tag=0.2.0")).Agent));
        Assert.NotEqual(GenerationOf(before), GenerationOf((await Rendered.OfAsync("agent.peerSeries=1")).Agent));
        Assert.NotEqual(GenerationOf(before), GenerationOf((await Rendered.OfAsync("agent.restarted=today")).Agent));

        static string GenerationOf(JsonObject pod) => pod.Arguments().Single(argument => argument.StartsWith("--generation=", StringComparison.Ordinal))["--generation=".Length..];
    }

    [Theory]
    [InlineData(null, "$(HOST_IP)")]
    [InlineData(null, "[$(HOST_IP)]", "operator.service.ipFamily=IPv6")]
    [InlineData(null, "0.0.0.0", "metrics.address=0.0.0.0")]
    [InlineData(null, "[::]", "metrics.address=::")]
    [InlineData("127.0.0.1", "127.0.0.1", "metrics.address=127.0.0.1")]
    [InlineData("fd00::7", "[fd00::7]", "metrics.address=fd00::7")]
    public async Task Kubelet_asks_where_the_program_listens_which_is_the_node_s_own_address_alone_by_default(string? host, string listen, params string[] values)
    {
        var rendered = await Rendered.OfAsync(values);
        Assert.Contains($"--metrics-listen={listen}:9586", rendered.Agent.Arguments());
        Assert.Contains($"--metrics-listen={listen}:9585", rendered.Operator.Arguments());
        foreach (var container in (JsonObject[])[rendered.Agent.Container(), rendered.Operator.Container()])
        {
            Assert.Equal("status.hostIP", (string?)container["env"]!.AsArray().Single(variable => (string)variable!["name"]! == "HOST_IP")!["valueFrom"]!["fieldRef"]!["fieldPath"]);
            Assert.All(
                (string[])["startupProbe", "livenessProbe", "readinessProbe"],
                probe => Assert.Equal(host, (string?)container[probe]!["httpGet"]!["host"]));
        }
    }

    [Fact]
    public async Task Pods_start_on_nodes_that_are_not_ready_and_need_no_pod_network()
    {
        var rendered = await Rendered.OfAsync();
        Assert.Equal("""[{"operator":"Exists"}]""", rendered.Agent["tolerations"]!.ToJsonString());
        Assert.Contains("node.kubernetes.io/not-ready", rendered.Operator["tolerations"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.All((JsonObject[])[rendered.Agent, rendered.Operator], pod => Assert.True((bool)pod["hostNetwork"]!));
        Assert.Equal(("system-node-critical", "system-cluster-critical"), ((string)rendered.Agent["priorityClassName"]!, (string)rendered.Operator["priorityClassName"]!));
    }

    [Theory]
    [InlineData("wgmesh:0.1.0")]
    [InlineData("wgmesh:0.2.0", "image.tag=0.2.0")]
    [InlineData("localhost/wgmesh:0.1.0", "image.repository=localhost/wgmesh")]
    [InlineData("wgmesh@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "image.tag=x",
        "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    public async Task All_pods_are_of_one_image(string image, params string[] values) =>
        Assert.All((await Rendered.OfAsync(values)).Pods, pod => Assert.Equal(image, (string)pod.Container()["image"]!));

    /// <summary>The arguments as kubelet hands them over.</summary>
    private string[] Expand(JsonObject pod)
    {
        var isIPv6 = pod.Arguments().Any(argument => argument.Contains("https://[", StringComparison.Ordinal) || argument == "--listen=[::]:7443");
        var known = (pod.Container()["env"]?.AsArray() ?? []).Select(variable => (string)variable!["name"]!).Append("WGMESH_OPERATOR_SERVICE_HOST").ToList();
        return
        [
            .. pod.Arguments().Select(argument =>
            {
                foreach (var name in known)
                    argument = argument.Replace($"$({name})", name == "NODE_NAME" ? "node1" : isIPv6 ? "fd00::7" : "192.0.2.7", StringComparison.Ordinal);
                Assert.DoesNotContain("$(", argument, StringComparison.Ordinal);
                return argument.Replace("/etc/wgmesh/mesh.yaml", _settings, StringComparison.Ordinal);
            }),
        ];
    }
}
