using System.Collections.Immutable;

namespace WgMesh.Operator.Planning;

/// <summary>The plan in force.</summary>
/// <param name="Revision">Grows with every change of the plan, from 1; 0: there is none yet.</param>
/// <param name="Plan">The plan. The same object as long as nothing in it changes.</param>
/// <param name="Problems">What of the cluster could not be read, one sentence each.</param>
internal sealed record PublishedPlan(ulong Revision, MeshPlan Plan, ImmutableArray<string> Problems)
{
    /// <summary>Before the first plan.</summary>
    public static readonly PublishedPlan None = new(0, MeshPlanner.Plan(State.ClusterState.Empty), []);

    /// <summary>What follows when <paramref name="plan"/> was made: itself again if that says nothing new.</summary>
    public PublishedPlan Next(MeshPlan plan, ImmutableArray<string> problems)
    {
        var (revision, next) = Revision > 0 && plan.SameAs(Plan) ? (Revision, Plan) : (Revision + 1, plan);
        return revision == Revision && problems.SequenceEqual(Problems, StringComparer.Ordinal)
            ? this
            : new PublishedPlan(revision, next, problems);
    }
}
