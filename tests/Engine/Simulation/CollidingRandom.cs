using System.Security.Cryptography;

namespace WgMesh.Engine.Tests.Simulation;

/// <summary>
/// Reproducible randomness of which every other four bytes, which is what an index takes, are one of 16 values: indices then collide
/// within a device, are the same on several devices, and come back soon after they were freed.
/// </summary>
internal sealed class CollidingRandom(int seed, bool collides) : RandomNumberGenerator
{
    private readonly Random _random = new(seed);

    public override void GetBytes(byte[] data) => GetBytes(data.AsSpan());

    public override void GetBytes(Span<byte> data)
    {
        _random.NextBytes(data);
        if (collides && data.Length == sizeof(uint) && _random.Next(2) == 0)
        {
            data[0] &= 15;
            data[1..].Clear();
        }
    }
}
