using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WgMesh.Kubernetes;

/// <summary>Reads PEM files and texts with errors that say where they came from, and nothing of what was in them.</summary>
internal static class Pem
{
    /// <summary>The certificates of a file; at least one.</summary>
    /// <exception cref="KubeConfigException">It cannot be read, or there is none.</exception>
    public static X509Certificate2Collection ReadCertificates(string path) => ParseCertificates(ReadText(path), path);

    /// <summary>The text of a file.</summary>
    /// <exception cref="KubeConfigException">It cannot be read.</exception>
    public static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The certificates of a text; at least one.</summary>
    /// <param name="origin">File or field, for the message.</param>
    /// <exception cref="KubeConfigException">There is none.</exception>
    public static X509Certificate2Collection ParseCertificates(string pem, string origin)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch (CryptographicException e)
        {
            throw new KubeConfigException($"{origin} has a certificate that cannot be read.", e);
        }

        return certificates.Count > 0 ? certificates : throw new KubeConfigException($"{origin} has no certificate in PEM.");
    }

    /// <summary>A certificate with its key, and those that follow it.</summary>
    /// <exception cref="KubeConfigException">They cannot be read, or do not belong together.</exception>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Intermediates) ParsePair(
        string certificatePem, string keyPem, string certificateOrigin, string keyOrigin)
    {
        var certificates = ParseCertificates(certificatePem, certificateOrigin);
        try
        {
            var pair = X509Certificate2.CreateFromPem(certificatePem, keyPem);
            certificates.RemoveAt(0);
            return (pair, certificates);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // without the cause: it might quote the key
            throw new KubeConfigException($"{keyOrigin} is not the private key of {certificateOrigin}, or not PEM.");
        }
    }
}
