using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using WgMesh.Engine;
using WgMesh.NodeAgent.Sync;
using WgMesh.NodeAgent.Telemetry;

namespace WgMesh.NodeAgent.Identity;

/// <summary>The node's private key: made once, kept in a file, never sent anywhere.</summary>
internal static class NodeKey
{
    internal const string FileName = "private.key";

    // 44 characters and a newline; anything much longer is another file
    private const int MaxFileLength = 256;

    /// <summary>Reads the key of this node, or makes one if there is none yet.</summary>
    /// <param name="stateFolder">Made with mode 0700 if it is not there.</param>
    /// <param name="log">Told of a new key and of modes that had to be repaired.</param>
    /// <exception cref="AgentException">There is a file, but no key in it: only a person can say whether the node may become another one.</exception>
    internal static SecretKey LoadOrCreate(string stateFolder, ILogger log)
    {
        if (!PrivateFolder.Secure(stateFolder, "--state-dir", FileName, ConfigCache.FileName))
        {
            log.ModeRepaired(stateFolder, "0700");
        }

        var path = Path.Combine(stateFolder, FileName);
        if (!File.Exists(path))
        {
            Create(path, log);
        }

        if (!PrivateFile.SecureFile(path))
        {
            log.ModeRepaired(path, "0600");
        }

        return Read(path);
    }

    private static void Create(string path, ILogger log)
    {
        Span<byte> key = stackalloc byte[SecretKey.Length];
        Span<byte> text = stackalloc byte[45];
        try
        {
            RandomNumberGenerator.Fill(key);
            // clamped as `wg genkey` does (RFC 7748, section 5), so that the file and `wg show` print the same
            key[0] &= 248;
            key[31] = (byte)((key[31] & 127) | 64);
            Base64.EncodeToUtf8(key, text, out _, out var written);
            text[written++] = (byte)'\n';
            // another process may have been faster; its key is as good
            if (PrivateFile.TryCreate(path, text[..written]))
            {
                log.KeyCreated(path);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static SecretKey Read(string path)
    {
        var text = Array.Empty<byte>();
        Span<char> characters = stackalloc char[MaxFileLength];
        try
        {
            if (new FileInfo(path).Length <= MaxFileLength)
            {
                text = File.ReadAllBytes(path);
            }

            var length = Encoding.Latin1.GetChars(text, characters);
            Span<byte> key = stackalloc byte[SecretKey.Length];
            try
            {
                if (Convert.TryFromBase64Chars(characters[..length].Trim(), key, out var written)
                    && written == SecretKey.Length && key.ContainsAnyExcept((byte)0))
                {
                    return new SecretKey(key);
                }
            }
            finally
            {
                CryptographicOperations.ZeroMemory(key);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
            characters.Clear();
        }

        throw new AgentException(
            $"{path} does not hold a private key (32 bytes in base64, 44 characters, as `wg genkey` prints). It was left as it is. "
            + "Put the key back from a backup, or delete the file: the node then gets a new key at the next start, and its peers learn it from the operator.");
    }
}
