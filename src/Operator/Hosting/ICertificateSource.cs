using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Operator.Hosting;

/// <summary>Where the certificate to serve with comes from: files, or a cluster's authority. Thread-safe.</summary>
internal interface ICertificateSource
{
    /// <summary>The certificate to serve with now, with its key; null: there is none yet.</summary>
    X509Certificate2? Current { get; }
}
