namespace WgMesh.Mesh.Tests.Metrics;

/// <summary>Whoever scrapes the engine's meter sees all devices of the process: such tests run one after the other.</summary>
[CollectionDefinition(nameof(EngineMeter), DisableParallelization = true)]
public sealed class EngineMeter;
