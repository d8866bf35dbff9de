namespace WgMesh.Operator;

/// <summary>7xx: who may do what, and the certificates that a cluster keeps.</summary>
internal static partial class Log
{
    [LoggerMessage(701, LogLevel.Error, "Tokens cannot be checked with the API server; those known to be good are taken for {Minutes} min more: {Reason}")]
    public static partial void TokensNotChecked(ILogger logger, double minutes, string reason);

    [LoggerMessage(702, LogLevel.Information, "Tokens can be checked with the API server again")]
    public static partial void TokensCheckedAgain(ILogger logger);

    [LoggerMessage(703, LogLevel.Information, "Made the certificate authority {Subject} in Secret {Namespace}/{Name}, good until {NotAfter}")]
    public static partial void ClusterAuthorityMade(ILogger logger, string subject, string @namespace, string name, DateTimeOffset notAfter);

    [LoggerMessage(704, LogLevel.Warning, "Secret {Namespace}/{Name} was gone: it was made again with the authorities that were in it")]
    public static partial void AuthoritySecretRestored(ILogger logger, string @namespace, string name);

    [LoggerMessage(705, LogLevel.Information, "Made the next certificate authority {Subject}; it signs from {From} on, when everybody knows it")]
    public static partial void NextAuthorityMade(ILogger logger, string subject, DateTimeOffset from);

    [LoggerMessage(706, LogLevel.Information, "The certificate authority {Subject} signs from now on; the one before it stays trusted until {Until}")]
    public static partial void AuthorityRotated(ILogger logger, string subject, DateTimeOffset until);

    [LoggerMessage(707, LogLevel.Information, "ConfigMap {Namespace}/{Name} holds the certificate authorities now: {Subjects}")]
    public static partial void BundlePublished(ILogger logger, string @namespace, string name, string subjects);

    [LoggerMessage(708, LogLevel.Error, "The certificates could not be looked after, those in use stay in use: {Reason}")]
    public static partial void CertificatesNotKept(ILogger logger, string reason);

    [LoggerMessage(709, LogLevel.Information, "The certificates are looked after again")]
    public static partial void CertificatesKeptAgain(ILogger logger);

    [LoggerMessage(710, LogLevel.Warning, "There is no token to know other replicas by, nor for them to know this one: {Problem} With one replica none is needed")]
    public static partial void NoReplicaToken(ILogger logger, string problem);

    [LoggerMessage(711, LogLevel.Error, "The operator has the agents' service account {Account}: give it one of its own, or replicas do not know each other")]
    public static partial void AccountShared(ILogger logger, string account);

    [LoggerMessage(712, LogLevel.Warning, "Other replicas are told to reach this one at {Address}, which no other host does: give --advertise-address, unless all are on this one")]
    public static partial void AdvertisesLoopback(ILogger logger, System.Net.IPEndPoint address);
}
