using WgMesh.Operator.Trust;

namespace WgMesh.Operator.Tests.Trust;

public sealed class RefusalBudgetTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Each_address_has_a_budget_of_its_own_that_comes_back()
    {
        var budget = new RefusalBudget(_time);
        Assert.Equal(200, Spend(budget, "a"));
        Assert.Equal(200, Spend(budget, "b"));
        Assert.False(budget.Allows("a"));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(20, Spend(budget, "a"));
        Assert.True(budget.Allows("c"));
    }

    [Fact]
    public void What_is_remembered_is_bounded_and_room_comes_back()
    {
        var budget = new RefusalBudget(_time);
        for (var address = 0; address < RefusalBudget.MostAddresses; address++)
            budget.Refused($"address{address}");

        // those that come now share one
        Assert.Equal(100, Spend(budget, "a", 100));
        Assert.Equal(100, Spend(budget, "b"));
        Assert.False(budget.Allows("c"));
        Assert.True(budget.Allows("address0"));

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, Spend(budget, "d"));
        Assert.True(budget.Allows("e"));
    }

    private static int Spend(RefusalBudget budget, string from, int most = 1000)
    {
        var spent = 0;
        for (; spent < most && budget.Allows(from); spent++)
            budget.Refused(from);
        return spent;
    }
}
