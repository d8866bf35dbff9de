namespace WgMesh.Engine.Offload;

/// <summary>Bytes of a buffer that is named elsewhere: one element of a gathering write.</summary>
/// <param name="Offset">Where they start.</param>
/// <param name="Length">How many they are.</param>
internal readonly record struct Slice(int Offset, int Length);
