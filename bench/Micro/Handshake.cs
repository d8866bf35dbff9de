using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using WgMesh.Engine;
using WgMesh.Engine.Crypto;
using WgMesh.Engine.Protocol;

namespace WgMesh.Micro;

/// <summary>The four steps of a handshake, and what a flood of forged ones costs: the look at mac1.</summary>
public class Handshake
{
    private const int Responses = 256;

    private readonly RandomNumberGenerator _random = RandomNumberGenerator.Create();
    private readonly StaticIdentity _initiator = new(new SecretKey(RandomNumberGenerator.GetBytes(SecretKey.Length)));
    private readonly StaticIdentity _responder = new(new SecretKey(RandomNumberGenerator.GetBytes(SecretKey.Length)));
    private readonly byte[] _staticStatic = new byte[SecretKey.Length];
    private readonly byte[] _presharedKey = new byte[SecretKey.Length];
    private readonly byte[] _initiation = new byte[Messages.InitiationLength];
    private readonly byte[] _scratch = new byte[Messages.InitiationLength];
    private readonly NoiseHandshake[] _outstanding = new NoiseHandshake[Responses];
    private readonly byte[][] _responses = new byte[Responses][];
    private readonly NoiseHandshake _responding = new();
    private readonly NoiseHandshake _reading = new();
    private CookieChecker _checker = null!;

    /// <summary>An initiation, and one that was read.</summary>
    [GlobalSetup]
    public void Setup()
    {
        X25519.TryAgree(_initiator.PrivateKeyBytes, _responder.PublicKeyBytes, _staticStatic);
        _checker = new CookieChecker(_responder.PublicKey, _random);
        using var handshake = new NoiseHandshake();
        Initiate(handshake, _initiation);
        new CookieJar(_responder.PublicKey).WriteMacs(_initiation, default);
        Require(_checker.HasValidMac1(_initiation) && Read(_responding, _initiation));
    }

    /// <summary>Initiations that wait for their responses: each is good for one.</summary>
    [IterationSetup(Target = nameof(ConsumeResponse))]
    public void SetupResponses()
    {
        for (var i = 0; i < Responses; i++)
        {
            using var responding = new NoiseHandshake();
            _outstanding[i] = new NoiseHandshake();
            _responses[i] = new byte[Messages.ResponseLength];
            Initiate(_outstanding[i], _scratch);
            Require(Read(responding, _scratch) && responding.TryCreateResponse(_initiator.PublicKey, _presharedKey, _random, _responses[i]));
        }
    }

    /// <summary>Initiator: a key pair made, one agreement.</summary>
    [Benchmark]
    public void CreateInitiation()
    {
        using var handshake = new NoiseHandshake();
        Initiate(handshake, _scratch);
    }

    /// <summary>Responder: one agreement.</summary>
    [Benchmark]
    public void ConsumeInitiation()
    {
        Require(Read(_reading, _initiation));
        _reading.Dispose(); // wiped behind each and used again, as the engine does
    }

    /// <summary>Responder: a key pair made, two agreements.</summary>
    [Benchmark]
    public void CreateResponse() => Require(_responding.TryCreateResponse(_initiator.PublicKey, _presharedKey, _random, _scratch));

    /// <summary>Initiator: two agreements.</summary>
    [Benchmark(OperationsPerInvoke = Responses)]
    public void ConsumeResponse()
    {
        for (var i = 0; i < Responses; i++)
        {
            Require(_outstanding[i].TryConsumeResponse(_initiator, _presharedKey, _responses[i]));
        }
    }

    /// <summary>Whether a message is meant for us at all.</summary>
    [Benchmark]
    public bool CheckMac1() => _checker.HasValidMac1(_initiation);

    private void Initiate(NoiseHandshake handshake, byte[] message) =>
        Require(handshake.TryCreateInitiation(ProtocolVersion.One, _initiator, _responder.PublicKey, _staticStatic, default, _random, message));

    private bool Read(NoiseHandshake handshake, byte[] initiation) =>
        handshake.TryReadInitiator([ProtocolVersion.One], _responder, initiation, out _) && handshake.TryFinishInitiation(_staticStatic, initiation, out _);

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new InvalidOperationException("A step of the handshake failed.");
        }
    }
}
