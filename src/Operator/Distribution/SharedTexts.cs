namespace WgMesh.Operator.Distribution;

/// <summary>
/// Gives back the same object for equal texts most of the time: a mesh's reports repeat the names and endpoints of a thousand peers a
/// thousand times. It holds so many texts and no more; a text whose place another took is another object. Thread-safe.
/// </summary>
internal sealed class SharedTexts
{
    private readonly string?[] _places = new string?[1 << 16];

    public string Share(string text)
    {
        ref var place = ref _places[string.GetHashCode(text, StringComparison.Ordinal) & (_places.Length - 1)];
        var known = Volatile.Read(ref place);
        if (known is not null && string.Equals(known, text, StringComparison.Ordinal))
            return known;

        Volatile.Write(ref place, text);
        return text;
    }
}
