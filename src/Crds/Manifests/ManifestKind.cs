using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>A kind that is read from manifests: how it is recognized, checked and made into its C# type.</summary>
internal sealed class ManifestKind
{
    public static readonly IReadOnlyList<ManifestKind> All =
    [
        new(KubernetesJson.Default.Node, new Node(), NodeRules),
        new(KubernetesJson.Default.Secret, new Secret()) { IsNamespaced = true },
        new(CrdsJson.Default.WireGuardPeer, new WireGuardPeer()),
        new(CrdsJson.Default.WireGuardMesh, new WireGuardMesh(), MeshRules),
    ];

    private static readonly TextRuleAttribute ObjectName = new ObjectNameTextAttribute();
    private static readonly TextRuleAttribute Namespace = new NamespaceTextAttribute();
    private static readonly TextRuleAttribute Cidr = new CidrTextAttribute();

    private readonly JsonTypeInfo _type;
    private readonly Action<JsonObject, Action<JsonNode?, string, string>>? _rules;

    private ManifestKind(JsonTypeInfo type, IKubernetesObject sample, Action<JsonObject, Action<JsonNode?, string, string>>? rules = null)
    {
        (ApiVersion, Kind) = (sample.ApiVersion, sample.Kind);
        (_type, Schema, _rules) = (type, SchemaBuilder.Build(type), rules);
    }

    public string ApiVersion { get; }

    public string Kind { get; }

    public FieldSchema Schema { get; }

    public bool IsNamespaced { get; private init; }

    /// <summary>Reports every problem of an object of this kind; if there is none, <see cref="Deserialize"/> succeeds.</summary>
    /// <param name="refuseUnknown">Whether a field that is not known is a problem. Kubernetes' own kinds grow new ones, where it never is.</param>
    public void Check(JsonObject content, Action<JsonNode?, string, string> report, bool refuseUnknown = true)
    {
        new SchemaWalk(refuseUnknown && ApiVersion == CustomResourceAttribute.ApiVersion, report).CheckFields(Schema, content, "");
        CheckMetadata(content, report);
        _rules?.Invoke(content, report);
    }

    /// <summary>The typed object with its defaults.</summary>
    public IKubernetesObject Deserialize(JsonObject content) => (IKubernetesObject)WithoutNulls(content)!.Deserialize(_type)!;

    private void CheckMetadata(JsonObject content, Action<JsonNode?, string, string> report)
    {
        if (content["metadata"] is not JsonObject metadata)
            return; // reported already

        if (metadata["name"] is not { } name)
            report(metadata, "metadata.name", "is missing; every object needs a name");
        else if (Text(name) is { } text && ObjectName.Problem(text) is { } problem)
            report(name, "metadata.name", problem);

        if (metadata["namespace"] is { } space && Text(space) is { } spaceText)
        {
            if (!IsNamespaced)
                report(space, "metadata.namespace", $"is set, but a {Kind} belongs to no namespace; remove it");
            else if (Namespace.Problem(spaceText) is { } spaceProblem)
                report(space, "metadata.namespace", spaceProblem);
        }
    }

    private static void MeshRules(JsonObject content, Action<JsonNode?, string, string> report)
    {
        if ((content["metadata"] as JsonObject)?["name"] is { } name && Text(name) is { } text && text != WireGuardMesh.DefaultName)
            report(name, "metadata.name", $"is {MessageText.Quote(text)}; the settings of the mesh are the one object named {WireGuardMesh.DefaultName}");
    }

    // what the API server checks of a Node, as far as it matters to the mesh
    private static void NodeRules(JsonObject content, Action<JsonNode?, string, string> report)
    {
        if (content["spec"] is not JsonObject spec)
            return;

        if (spec["podCIDR"] is { } first)
            CheckCidr(first, "spec.podCIDR");
        if (spec["podCIDRs"] is not JsonArray all)
            return;

        for (var i = 0; i < all.Count; i++)
        {
            if (all[i] is { } cidr)
                CheckCidr(cidr, $"spec.podCIDRs[{i}]");
        }

        if (spec["podCIDR"] is { } one && Text(one) is { } text && all.Count > 0 && all[0] is { } head && Text(head) is { } other && text != other)
            report(one, "spec.podCIDR", $"is {MessageText.Quote(text)}, but spec.podCIDRs begins with {MessageText.Quote(other)}; they must be the same");

        void CheckCidr(JsonNode node, string path)
        {
            if (Text(node) is { } text && Cidr.Problem(text) is { } problem)
                report(node, path, problem);
        }
    }

    /// <summary>The string, or null for another type, which is reported elsewhere.</summary>
    private static string? Text(JsonNode node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    /// <summary>A copy whose mappings have no null members; lists of fields that are not read may hold nulls.</summary>
    internal static JsonNode? WithoutNulls(JsonNode? node) => node switch
    {
        JsonObject mapping => new JsonObject(mapping.Where(item => item.Value is not null).Select(item => KeyValuePair.Create(item.Key, WithoutNulls(item.Value)))),
        JsonArray array => new JsonArray([.. array.Select(WithoutNulls)]),
        _ => node?.DeepClone(),
    };
}
