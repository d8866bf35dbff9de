using WgMesh.Kubernetes;

namespace WgMesh.Crds;

/// <summary>Something wrong in a manifest. The object it is about (or all that could not be parsed) is refused as a whole.</summary>
/// <param name="Source">File and line.</param>
/// <param name="Object">Kind and name, e.g. <c>WireGuardPeer/laptop</c> or <c>Secret/wgmesh/psk</c>; null if it could not be parsed so far.</param>
/// <param name="Field">E.g. <c>spec.allowedIPs[1]</c>; null if the object as a whole is meant.</param>
/// <param name="Message">What is wrong and what would be right. Never a value of a Secret.</param>
public sealed record ManifestProblem(ManifestSource Source, string? Object, string? Field, string Message)
{
    /// <summary><c>peers.yaml:12: WireGuardPeer/laptop: spec.allowedIPs[1]: 10.1.2.3/24 has host bits; ...</c></summary>
    public override string ToString() => string.Join(": ", ((string?[])[Source.ToString(), Object, Field, Message]).OfType<string>());
}

/// <summary>An object that is none of those read here, and is left alone.</summary>
/// <param name="Source">File and line.</param>
/// <param name="Object">Kind and name.</param>
/// <param name="ApiVersion">Its group and version.</param>
public sealed record IgnoredObject(ManifestSource Source, string Object, string ApiVersion)
{
    /// <summary>One line.</summary>
    public override string ToString() => $"{Source}: {Object}: {ApiVersion} is not read here; the object is ignored";
}
