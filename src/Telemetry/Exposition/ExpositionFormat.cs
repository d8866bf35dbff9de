using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace WgMesh.Telemetry.Exposition;

/// <summary>The text formats a scrape can be answered in.</summary>
internal enum ExpositionFormat
{
    /// <summary>Prometheus text format 0.0.4: what every scraper since 2014 reads.</summary>
    PrometheusText,

    /// <summary>OpenMetrics 1.0.</summary>
    OpenMetrics,
}

internal static class ExpositionFormats
{
    public static string ContentType(this ExpositionFormat format) => format switch
    {
        ExpositionFormat.OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        _ => "text/plain; version=0.0.4; charset=utf-8",
    };

    /// <summary>
    /// The format the client likes best (RFC 9110, 12.5.1). Text 0.0.4 is the default: also for a wildcard, a header that cannot be
    /// parsed, and one that accepts neither, because a scraper can do more with an unexpected text than with a 406.
    /// </summary>
    public static ExpositionFormat Negotiate(StringValues accept)
    {
        if (accept.Count == 0 || !MediaTypeHeaderValue.TryParseList(accept, out var ranges))
            return ExpositionFormat.PrometheusText;

        var text = Preference(ranges, "text/plain", "0.0.4");
        var openMetrics = Preference(ranges, "application/openmetrics-text", "1.0.0");
        if (openMetrics.Quality > text.Quality)
            return ExpositionFormat.OpenMetrics;
        // Equal wishes: OpenMetrics only if it was asked for by name.
        return openMetrics.Quality > 0 && openMetrics.Quality == text.Quality && openMetrics.Specificity >= NamedType
            ? ExpositionFormat.OpenMetrics
            : ExpositionFormat.PrometheusText;
    }

    private const int NamedType = 2;

    /// <summary>The quality of the most specific range that matches: a named type beats <c>type/*</c>, which beats <c>*/*</c>.</summary>
    private static (double Quality, int Specificity) Preference(IList<MediaTypeHeaderValue> ranges, string mediaType, string version)
    {
        var best = (Quality: 0.0, Specificity: -1);
        foreach (var range in ranges)
        {
            var specificity = Specificity(range, mediaType, version);
            var quality = range.Quality ?? 1;
            if (specificity > best.Specificity || (specificity == best.Specificity && specificity >= 0 && quality > best.Quality))
                best = (quality, specificity);
        }
        return best;
    }

    private static int Specificity(MediaTypeHeaderValue range, string mediaType, string version)
    {
        if (range.MatchesAllTypes)
            return 0;
        if (range.MatchesAllSubTypes)
            return mediaType.AsSpan(0, mediaType.IndexOf('/')).Equals(range.Type.AsSpan(), StringComparison.OrdinalIgnoreCase) ? 1 : -1;
        if (!range.MediaType.Equals(mediaType, StringComparison.OrdinalIgnoreCase))
            return -1;
        foreach (var parameter in range.Parameters)
            if (parameter.Name.Equals("version", StringComparison.OrdinalIgnoreCase))
                return HeaderUtilities.RemoveQuotes(parameter.Value).Equals(version, StringComparison.Ordinal) ? NamedType + 1 : -1;
        return NamedType;
    }
}
