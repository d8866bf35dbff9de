using System.Buffers.Text;
using System.Text;

namespace WgMesh.Kubernetes;

/// <summary>Brings text from elsewhere, such as a manifest, into a message: on one line, not too long, and never a key.</summary>
public static class MessageText
{
    private const int MaxLength = 64;
    private const int KeyBytes = 32;

    /// <summary>In quotes.</summary>
    public static string Quote(string text) => LooksLikeKey(text) ? "(a key, not shown)" : $"\"{Printable(text)}\"";

    /// <summary>Without quotes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxLength">In characters; what is longer is cut and ends with "...".</param>
    public static string Printable(string text, int maxLength = MaxLength)
    {
        if (LooksLikeKey(text))
            return "(a key, not shown)";

        var printable = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (printable.Length >= maxLength)
                return printable.Append("...").ToString();
            if (Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029)
                printable.Append($"\\u{rune.Value:x4}");
            else
                printable.Append(rune.ToString());
        }

        return printable.ToString();
    }

    // preshared keys and private keys are pasted into wrong fields
    private static bool LooksLikeKey(string text) => Base64.IsValid(text, out var bytes) && bytes == KeyBytes;
}
