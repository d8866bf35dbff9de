using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using WgMesh.Kubernetes;
using WgMesh.Tests.Shared;

namespace WgMesh.Crds.Tests;

public class ReaderPropertyTests
{
    private static readonly string[] Names =
    [
        "apiVersion", "kind", "metadata", "spec", "status", "name", "namespace", "labels", "annotations", "ownerReferences", "finalizers", "generation", "creationTimestamp",
        "publicKey", "endpoint", "host", "port", "allowedIPs", "persistentKeepalive", "presharedKeySecretRef", "key", "nodeName", "conditions", "type", "lastTransitionTime",
        "addressPools", "listenPort", "mtu", "failurePolicy", "podCIDRs", "podCIDR", "serviceCIDRs", "addresses", "address", "data", "stringData", "items", "x",
        "observedGeneration", "lastHandshakeTime", "connectedNodes", "nodes", "agentVersions", "controller",
    ];

    private static readonly Gen<JsonNode?> Leaf = Gen.OneOf(
        Gen.Elements("", "v1", "default", "laptop", "Bad Name", Reading.Key, "10.0.0.0/8", "10.0.0.1/8", "fd00::/64", "::1", "gate", "[::1]", "Closed", "True", "aGk=", "%",
            "2026-01-01T00:00:00Z", "2026-13-01", "\n", "a:b", "/", "/8", "::/", ":", "1.2.3.4/99999999999", "2026-01-01T00:00:00+99:00", "0001-01-01T00:00:00+14:00")
            .Select(text => (JsonNode?)JsonValue.Create(text)),
        ArbMap.Default.GeneratorFor<NonNull<string>>().Where(text => !text.Get.Any(char.IsSurrogate)).Select(text => (JsonNode?)JsonValue.Create(text.Get)), // UTF-8 has no halves of pairs
        ArbMap.Default.GeneratorFor<long>().Select(number => (JsonNode?)JsonValue.Create(number)),
        Gen.Elements(0L, 1, 65535, 65536, int.MaxValue, 1L + int.MaxValue, long.MaxValue, long.MinValue).Select(number => (JsonNode?)JsonValue.Create(number)),
        Gen.Elements(1.5, 1e300, -0.0).Select(number => (JsonNode?)JsonValue.Create(number)),
        Gen.Elements(true, false).Select(flag => (JsonNode?)JsonValue.Create(flag)),
        Gen.Constant<JsonNode?>(null));

    private static Gen<JsonNode?> Tree(int depth) => depth == 0
        ? Leaf
        : Gen.OneOf(Leaf, Gen.ListOf(Tree(depth - 1), 2).Select(items => (JsonNode?)new JsonArray([.. items])), Mapping(depth - 1));

    private static Gen<JsonNode?> Mapping(int depth) =>
        Gen.ListOf(Gen.Zip(Gen.Elements(Names), Tree(depth), KeyValuePair.Create), 6).Select(members => (JsonNode?)new JsonObject(members.DistinctBy(member => member.Key)));

    /// <summary>An object of a kind that is read: a tree of its own schema, with something else in a few of its places.</summary>
    private static Gen<JsonNode?> Shaped(FieldSchema schema, int depth) => Gen.Frequency(
        (1, Tree(2)),
        (60, schema.Type switch
        {
            FieldType.Object => Gen.CollectToList(schema.Properties, property => Gen.Frequency(
                    (schema.Required.Contains(property.Key) ? 0 : 3, Gen.Constant<JsonNode?>(null)), (4, Shaped(property.Value, depth + 1))).Select(value => KeyValuePair.Create(property.Key, value)))
                .Select(members => (JsonNode?)new JsonObject(members)),
            FieldType.Map => Gen.ListOf(Gen.Zip(Gen.Elements(Names), Shaped(schema.Items!, depth + 1), KeyValuePair.Create), 2)
                .Select(members => (JsonNode?)new JsonObject(members.DistinctBy(member => member.Key))),
            FieldType.Array => Gen.ListOf(Shaped(schema.Items!, depth + 1), 2).Select(items => (JsonNode?)new JsonArray([.. items])),
            FieldType.Integer => Gen.Elements(0L, 1, 1280, 65535, int.MaxValue, long.MaxValue).Select(number => (JsonNode?)JsonValue.Create(number)),
            FieldType.Boolean => Gen.Elements(true, false).Select(flag => (JsonNode?)JsonValue.Create(flag)),
            _ => Gen.Elements(
                    schema.Enum.Count > 0 ? [.. schema.Enum]
                    : schema.TextRule is PublicKeyTextAttribute ? [Reading.Key]
                    : schema.TextRule is CidrTextAttribute ? ["10.0.0.0/8", "fd00::/64"]
                    : schema.Format == "date-time" ? ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00.123456789+14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
                    : schema.Format == "byte" ? ["aGk=", "aGk=\n", " aG k= ", "aGk", ""]
                    : (string[])["default", "laptop"])
                .Select(text => (JsonNode?)JsonValue.Create(text)),
        }));

    [Fact]
    public void No_tree_makes_the_reader_throw() =>
        Prop.ForAll(Mapping(3).ToArbitrary(), tree => Read(tree!) is not null).Check(Properties.Config(2000));

    [Fact]
    public void No_tree_in_the_shape_of_a_kind_makes_the_reader_throw_and_what_has_no_problem_is_read()
    {
        var shaped = Gen.Elements(ManifestKind.All.ToArray()).SelectMany(kind => Gen.Zip(Shaped(kind.Schema, 0), Gen.Elements(true, false), (tree, plainMetadata) =>
        {
            var root = tree as JsonObject ?? [];
            (root["apiVersion"], root["kind"]) = (kind.ApiVersion, kind.Kind);
            if (plainMetadata)
                root["metadata"] = new JsonObject { ["name"] = "default" };
            return root;
        }));
        var (good, bad) = (0, 0);
        Prop.ForAll(shaped.ToArbitrary(), tree =>
        {
            var set = Read(tree);
            var read = set.Nodes.Count + set.Secrets.Count + set.Peers.Count + (set.Mesh is null ? 0 : 1);
            (good, bad) = (good + read, bad + 1 - read);
            return read == (set.Problems.Count > 0 ? 0 : 1);
        }).Check(Properties.Config(2000));
        Assert.True(good > 100 && bad > 100, $"{good} good and {bad} bad objects: too few to say anything");
    }

    [Fact]
    public void What_a_rule_accepts_the_pattern_or_format_for_the_API_server_accepts()
    {
        TextRuleAttribute[] rules =
            [new PublicKeyTextAttribute(), new CidrTextAttribute(), new HostTextAttribute(), new ObjectNameTextAttribute(), new NamespaceTextAttribute(), new SecretKeyTextAttribute(),
                new LabelKeyTextAttribute(), new LabelValueTextAttribute()];
        var text = Gen.OneOf(
            Gen.Elements("a", "A", "-", ".", ":", "::", "/", "0", "1", "8", "24", "128", "255", "fd00", "%", "_", "\n", Reading.Key, "10.0.0.0/8", "::ffff:", "1.2.3.4", "=").ListOf().Select(string.Concat),
            ArbMap.Default.GeneratorFor<IPv4Bytes>().Select(address => $"{address}/32"),
            ArbMap.Default.GeneratorFor<IPv6Words>().Select(address => $"{address}/128"));
        Prop.ForAll(text.ToArbitrary(), value => rules.All(rule => rule.Problem(value) is not null
                || (Matches(rule, value) && value.Length >= rule.MinLength && value.Length <= rule.MaxLength)))
            .Check(Properties.Config(5000));

        static bool Matches(TextRuleAttribute rule, string value) => rule.Pattern is { } pattern
            ? Regex.IsMatch(value, pattern.Replace("$", "\\z", StringComparison.Ordinal))
            : rule.Format == "cidr" && IPNetwork.TryParse(value, out _); // stricter than the API server's, which takes host bits
    }

    public record struct IPv4Bytes(byte A, byte B, byte C, byte D)
    {
        public override readonly string ToString() => $"{A}.{B}.{C}.{D}";
    }

    public record struct IPv6Words(ushort A, ushort B, ushort C, ushort D)
    {
        public override readonly string ToString() => $"{A:x}:{B:X}::{C:x}:{D:x}";
    }

    private static ManifestSet Read(JsonNode tree) => ManifestReader.Read([ManifestFile.Parse("t.yaml", YamlWriter.Write(tree))]);
}
