using WgMesh.Operator.Distribution;
using WgMesh.Operator.Planning;
using WgMesh.Operator.State;

namespace WgMesh.Operator.Reconciling;

/// <summary>What the leader decides from: the objects, the plan, and what agents say.</summary>
internal static class Changes
{
    /// <summary>Raises the flag whenever one of them is another, and when agents have had time to come; until cancelled.</summary>
    /// <param name="haveAgentsHadTime">Ends when all agents that are there can be expected to be connected.</param>
    public static Task FollowAsync(
        this Flag changed,
        KubernetesCluster cluster,
        Latest<PublishedPlan> plans,
        AgentRegistry agents,
        Task haveAgentsHadTime,
        CancellationToken cancellationToken) => Together.RunAsync(
            cancellationToken,
            ended => cluster.View.FollowAsync(_ => changed.Raise(), ended),
            ended => plans.FollowAsync(_ => changed.Raise(), ended),
            ended => agents.Agents.FollowAsync(_ => changed.Raise(), ended),
            async ended =>
            {
                await haveAgentsHadTime.WaitAsync(ended);
                changed.Raise();
                await Task.Delay(Timeout.Infinite, ended);
            });
}
