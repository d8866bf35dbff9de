using System.Collections.Immutable;

namespace WgMesh.Kubernetes;

/// <summary>Which objects an informer keeps.</summary>
public sealed record InformerOptions
{
    /// <inheritdoc cref="ListOptions.Namespace"/>
    public string? Namespace { get; init; }

    /// <summary>Objects in a page of a list.</summary>
    public int PageSize { get; init; } = 500;
}

/// <summary>All objects of a kind at one moment.</summary>
/// <param name="Items">By <c>name</c>, or <c>namespace/name</c>.</param>
/// <param name="Unreadable">What the server has and the type cannot hold, by the same keys.</param>
public sealed record InformerStore<T>(ImmutableDictionary<string, T> Items, ImmutableDictionary<string, UnreadableObject> Unreadable)
    where T : class, IKubernetesObject
{
    internal static InformerStore<T> Empty { get; } =
        new(ImmutableDictionary.Create<string, T>(StringComparer.Ordinal), ImmutableDictionary.Create<string, UnreadableObject>(StringComparer.Ordinal));
}

/// <summary>A change of the store.</summary>
/// <param name="Changed">
/// Keys that were added, changed or removed. One whose object has another uid in <paramref name="After"/> than in <paramref name="Before"/> was
/// deleted and made anew.
/// </param>
public sealed record InformerChange<T>(InformerStore<T> Before, InformerStore<T> After, IReadOnlyCollection<string> Changed)
    where T : class, IKubernetesObject;

/// <summary>A store on its way from what it was to what it is to be: many changes are gathered and become visible together.</summary>
internal sealed class InformerStoreChange<T>(InformerStore<T> before)
    where T : class, IKubernetesObject
{
    private readonly ImmutableDictionary<string, T>.Builder _items = before.Items.ToBuilder();
    private readonly ImmutableDictionary<string, UnreadableObject>.Builder _unreadable = before.Unreadable.ToBuilder();
    private readonly HashSet<string> _touched = new(StringComparer.Ordinal);

    /// <summary>How many objects something was said about.</summary>
    public int Count => _touched.Count;

    public void Set(T item)
    {
        var key = Key(item.Metadata);
        // what is the same keeps its reference, so that who computes something from it does not have to again
        if (_items.TryGetValue(key, out var known) && IsSame(known.Metadata, item.Metadata))
            return;
        _touched.Add(key);
        _unreadable.Remove(key);
        _items[key] = item;
    }

    public void Set(UnreadableObject item)
    {
        var key = Key(item.Metadata);
        if (_unreadable.TryGetValue(key, out var known) && IsSame(known.Metadata, item.Metadata))
            return;
        _touched.Add(key);
        _items.Remove(key);
        _unreadable[key] = item;
    }

    public void Remove(ObjectMeta metadata) => Remove(Key(metadata));

    /// <summary>Takes away what a complete list does not have.</summary>
    public void RemoveOthers(IReadOnlySet<string> listed)
    {
        foreach (var key in before.Items.Keys.Concat(before.Unreadable.Keys).Where(key => !listed.Contains(key)))
            Remove(key);
    }

    /// <summary>The change; null if nothing is other than it was.</summary>
    public InformerChange<T>? ToChange()
    {
        // what came and went in between was never there
        _touched.RemoveWhere(key =>
            ReferenceEquals(before.Items.GetValueOrDefault(key), _items.GetValueOrDefault(key))
            && ReferenceEquals(before.Unreadable.GetValueOrDefault(key), _unreadable.GetValueOrDefault(key)));
        return _touched.Count == 0 ? null : new InformerChange<T>(before, new(_items.ToImmutable(), _unreadable.ToImmutable()), _touched);
    }

    public static string Key(ObjectMeta metadata) =>
        string.IsNullOrEmpty(metadata.Namespace) ? metadata.Name : $"{metadata.Namespace}/{metadata.Name}";

    private void Remove(string key)
    {
        _touched.Add(key);
        _items.Remove(key);
        _unreadable.Remove(key);
    }

    private static bool IsSame(ObjectMeta a, ObjectMeta b) =>
        a.ResourceVersion is not null && a.ResourceVersion == b.ResourceVersion && a.Uid == b.Uid;
}
