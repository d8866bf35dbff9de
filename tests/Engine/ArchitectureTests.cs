using System.Reflection;
using System.Reflection.Emit;
using WgMesh.Engine.Protocol;

namespace WgMesh.Engine.Tests;

/// <summary>The protocol is pure: what it may not use is looked for in the instructions of its compiled methods.</summary>
public class ArchitectureTests
{
    private static readonly string[] ForbiddenNamespaces =
    [
        "System.Net.Sockets", "System.Net.Http", "System.IO", "System.Threading.Tasks", "System.Diagnostics",
        "Microsoft.Extensions", "WgMesh.Engine.Linux", "WgMesh.Engine.Uapi",
    ];

    private static readonly string[] ForbiddenTypes =
    [
        "System.Console", "System.Environment", "System.Random", "System.DateTime",
        "System.Threading.Thread", "System.Threading.ThreadPool", "System.Threading.Timer", "System.Threading.PeriodicTimer",
    ];

    private static readonly string[] ForbiddenMembers =
    [
        "System.DateTimeOffset.get_Now", "System.DateTimeOffset.get_UtcNow", "System.TimeProvider.get_System",
        "System.Security.Cryptography.RandomNumberGenerator.Create", "System.Security.Cryptography.RandomNumberGenerator.Fill",
        "System.Security.Cryptography.RandomNumberGenerator.GetInt32", "System.Guid.NewGuid",
    ];

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    [Theory]
    [InlineData("WgMesh.Engine.Protocol")]
    [InlineData("WgMesh.Engine.Routing")]
    [InlineData("WgMesh.Engine.Offload")]
    public void Uses_no_sockets_files_threads_clocks_randomness_or_logging_of_its_own(string part)
    {
        var methods = typeof(ProtocolCore).Assembly.GetTypes()
            .Where(type => type.Namespace == part)
            .SelectMany(type => type.GetMembers(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static))
            .OfType<MethodBase>()
            .ToArray();
        Assert.NotEmpty(methods);

        var used = methods.SelectMany(method => Used(method).Select(member => (Method: method, Member: member)));
        Assert.Empty(used.Where(use => IsForbidden(use.Member)).Select(use => $"{use.Method.DeclaringType}.{use.Method.Name} uses {Name(use.Member)}").Distinct());
    }

    [Fact]
    public void The_check_sees_what_it_is_to_forbid()
    {
        var method = typeof(ArchitectureTests).GetMethod(nameof(Impure), BindingFlags.NonPublic | BindingFlags.Static)!;
        Assert.Equal(3, Used(method).Count(IsForbidden));
    }

    /// <summary>Names of the engine's types that make a type or call its methods; properties are for all to see.</summary>
    internal static IEnumerable<string> CallersOf(Type called) => typeof(ProtocolCore).Assembly.GetTypes()
        .SelectMany(type => type.GetMembers(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static))
        .OfType<MethodBase>()
        .Where(method => Used(method).Any(member => member is MethodBase { IsSpecialName: false } or ConstructorInfo && member.DeclaringType == called))
        .Select(method => method.DeclaringType!.Name)
        .Distinct()
        .Order(StringComparer.Ordinal);

    private static long Impure() => DateTimeOffset.UtcNow.Ticks + Environment.TickCount64 + (File.Exists("x") ? 1 : 0);

    private static bool IsForbidden(MemberInfo member)
    {
        var type = (member as Type ?? member.DeclaringType)!;
        var name = type.FullName ?? type.Name;
        return ForbiddenTypes.Contains(name)
            || ForbiddenMembers.Contains(Name(member))
            || ForbiddenNamespaces.Any(space => type.Namespace == space || type.Namespace?.StartsWith(space + ".", StringComparison.Ordinal) == true);
    }

    private static string Name(MemberInfo member) => member is Type type ? type.FullName ?? type.Name : $"{member.DeclaringType?.FullName}.{member.Name}";

    // every member that the instructions of a method name
    private static IEnumerable<MemberInfo> Used(MethodBase method)
    {
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } il)
        {
            yield break;
        }

        var typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var at = 0; at < il.Length;)
        {
            var value = il[at] == 0xFE ? unchecked((short)((il[at] << 8) | il[at + 1])) : il[at];
            var code = OpCodesByValue[value];
            at += code.Size;
            if (code.OperandType is OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok)
            {
                yield return method.Module.ResolveMember(BitConverter.ToInt32(il, at), typeArguments, methodArguments)!;
            }

            at += code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(il, at)),
                _ => 4,
            };
        }
    }
}
