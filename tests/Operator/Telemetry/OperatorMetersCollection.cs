namespace WgMesh.Operator.Tests.Telemetry;

/// <summary>Tests that make an operator's instruments: one at a time, since whoever reads meters in a process hears of all that have the name.</summary>
internal static class OperatorMetersCollection
{
    public const string Name = "operator meters";
}
