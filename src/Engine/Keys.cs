using System.Security.Cryptography;

namespace WgMesh.Engine;

/// <summary>A Curve25519 public key: 32 bytes, compared by value, printed as base64 like every WireGuard tool does.</summary>
public readonly struct PublicKey : IEquatable<PublicKey>, IComparable<PublicKey>
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 32;

    private readonly UInt128 _low, _high;

    /// <summary>Copies 32 bytes.</summary>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> is not 32 bytes long.</exception>
    public PublicKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Length)
        {
            throw new ArgumentException($"A public key is {Length} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _low = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(bytes);
        _high = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(bytes[16..]);
    }

    /// <summary>Parses the 44 base64 characters that <c>wg pubkey</c> prints.</summary>
    public static bool TryParseBase64(string text, out PublicKey key)
    {
        Span<byte> bytes = stackalloc byte[Length];
        var ok = Convert.TryFromBase64String(text, bytes, out var written) && written == Length;
        key = ok ? new PublicKey(bytes) : default;
        return ok;
    }

    /// <summary>Writes the key's 32 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(destination, _low);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(destination[16..], _high);
    }

    /// <summary>The key's 32 bytes in a new array.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(PublicKey other) => _low == other._low && _high == other._high;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is PublicKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_low, _high);

    /// <summary>Some total order, the same on every machine.</summary>
    public int CompareTo(PublicKey other) => (_high, _low).CompareTo((other._high, other._low));

    /// <summary>The key in base64, 44 characters.</summary>
    public override string ToString() => Convert.ToBase64String(ToArray());

    /// <summary>Equal bytes.</summary>
    public static bool operator ==(PublicKey left, PublicKey right) => left.Equals(right);

    /// <summary>Different bytes.</summary>
    public static bool operator !=(PublicKey left, PublicKey right) => !left.Equals(right);

    /// <summary>Before in the order.</summary>
    public static bool operator <(PublicKey left, PublicKey right) => left.CompareTo(right) < 0;

    /// <summary>After in the order.</summary>
    public static bool operator >(PublicKey left, PublicKey right) => left.CompareTo(right) > 0;

    /// <summary>Not after in the order.</summary>
    public static bool operator <=(PublicKey left, PublicKey right) => left.CompareTo(right) <= 0;

    /// <summary>Not before in the order.</summary>
    public static bool operator >=(PublicKey left, PublicKey right) => left.CompareTo(right) >= 0;
}

/// <summary>
/// 32 secret bytes: a private key or a preshared key. Never printed (<see cref="ToString"/> says so), compared in
/// constant time, wiped by <see cref="Dispose"/>.
/// </summary>
public sealed class SecretKey : IEquatable<SecretKey>, IDisposable
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 32;

    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(Length, pinned: true); // pinned: the collector leaves no copies behind

    /// <summary>Copies 32 bytes.</summary>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> is not 32 bytes long.</exception>
    public SecretKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Length)
        {
            throw new ArgumentException($"A key is {Length} bytes, not {bytes.Length}.", nameof(bytes));
        }

        bytes.CopyTo(_bytes);
    }

    /// <summary>Parses the 44 base64 characters that <c>wg genkey</c> prints.</summary>
    /// <returns>The key, or null if <paramref name="text"/> is not 32 bytes in base64.</returns>
    public static SecretKey? ParseBase64(string text)
    {
        Span<byte> bytes = stackalloc byte[Length];
        try
        {
            return Convert.TryFromBase64String(text, bytes, out var written) && written == Length ? new SecretKey(bytes) : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>The secret bytes: not to be kept beyond the call.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Whether all bytes are zero, which stands for "no key" in the UAPI.</summary>
    public bool IsZero => !_bytes.AsSpan().ContainsAnyExcept((byte)0);

    /// <inheritdoc/>
    public bool Equals(SecretKey? other) => other is not null && CryptographicOperations.FixedTimeEquals(_bytes, other._bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SecretKey);

    /// <summary>The same for all keys: a hash of a secret is not to be had.</summary>
    public override int GetHashCode() => Length;

    /// <summary>"(hidden)".</summary>
    public override string ToString() => "(hidden)";

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);
}
