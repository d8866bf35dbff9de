using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace WgMesh.Kubernetes.Tests.Election;

/// <summary>An API server that has one Lease.</summary>
internal sealed class LeaseServer
{
    private readonly Lock _gate = new();
    private long _version = 100;
    private JsonObject? _lease;
    private int _leaders;

    public JsonObject? Lease
    {
        get
        {
            lock (_gate)
                return _lease?.DeepClone().AsObject();
        }
    }

    public string? Holder => (string?)Lease?["spec"]?["holderIdentity"];

    /// <summary>Whether requests are answered, or hang.</summary>
    public volatile bool Answers = true;

    /// <summary>Whether requests are carried out, and the connections break before the answer.</summary>
    public volatile bool LosesAnswers;

    /// <summary>How many of the candidates were at work at one time.</summary>
    public int MostLeadersAtOnce { get; private set; }

    /// <summary>Has somebody else write the lease.</summary>
    public void Store(string holder, int durationSeconds = 15)
    {
        lock (_gate)
        {
            _lease ??= new JsonObject { ["metadata"] = new JsonObject { ["name"] = "l", ["namespace"] = "s", ["uid"] = "u" } };
            _lease["metadata"]!["resourceVersion"] = NextVersion();
            _lease["spec"] = new JsonObject
            {
                ["holderIdentity"] = holder,
                ["leaseDurationSeconds"] = durationSeconds,
                ["leaseTransitions"] = 0,
                // of a clock that is wrong: nobody is to believe it
                ["acquireTime"] = "1999-12-31T23:59:59.000000Z",
                ["renewTime"] = "1999-12-31T23:59:59.000000Z",
            };
        }
    }

    public void BeginLeading()
    {
        lock (_gate)
            MostLeadersAtOnce = Math.Max(MostLeadersAtOnce, ++_leaders);
    }

    public void EndLeading()
    {
        lock (_gate)
            _leaders--;
    }

    public async Task<HttpResponseMessage> AnswerAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? null : JsonNode.Parse(await request.Content.ReadAsStringAsync(cancellationToken))!.AsObject();
        while (!Answers)
            await Task.Delay(5, cancellationToken);
        HttpResponseMessage response;
        lock (_gate)
            response = Answer(request.Method, request.RequestUri!.AbsolutePath, body);
        return LosesAnswers ? throw new HttpRequestException("reset") : response;
    }

    private HttpResponseMessage Answer(HttpMethod method, string path, JsonObject? body)
    {
        const string Collection = "/apis/coordination.k8s.io/v1/namespaces/s/leases";
        if (method == HttpMethod.Post)
        {
            Assert.Equal(Collection, path);
            return _lease is null ? Keep(body!, "u", 201) : Refuse(409, "AlreadyExists");
        }

        Assert.Equal($"{Collection}/l", path);
        if (_lease is null)
            return Refuse(404, "NotFound");
        if (method == HttpMethod.Get)
            return Response(_lease, 200);
        Assert.Equal(HttpMethod.Put, method);
        return (string?)body!["metadata"]!["resourceVersion"] == (string?)_lease["metadata"]!["resourceVersion"]
            ? Keep(body, "u", 200) : Refuse(409, "Conflict");
    }

    private HttpResponseMessage Keep(JsonObject lease, string uid, int status)
    {
        // what changes nothing gets no version
        lease["metadata"]!["uid"] = uid;
        if (!JsonNode.DeepEquals(lease, _lease))
            lease["metadata"]!["resourceVersion"] = NextVersion();
        _lease = lease;
        return Response(lease, status);
    }

    private string NextVersion() => (++_version).ToString(CultureInfo.InvariantCulture);

    private static HttpResponseMessage Refuse(int code, string reason)
    {
        var status = FakeCall.Status(code, reason);
        status["details"] = new JsonObject { ["name"] = "l", ["kind"] = "leases" };
        return Response(status, code);
    }

    private static HttpResponseMessage Response(JsonObject body, int status) => new((HttpStatusCode)status)
    {
        Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
    };
}
