namespace WgMesh.Fuzz.Targets;

/// <summary>A rule that some input broke.</summary>
internal sealed class FuzzException(string message) : Exception(message);

/// <summary>
/// Something that takes bytes from outside. A scenario is a few real messages with changes in them, given as data; whatever they are, no
/// exception may come out, memory stays in proportion to the input, and what the target says besides has to hold.
/// </summary>
internal abstract class FuzzTarget
{
    /// <summary>As it is called on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Plays one scenario from the beginning: the same samples always come to the same end.</summary>
    /// <exception cref="FuzzException">A rule was broken. Any other exception is one that escaped from the target.</exception>
    public abstract void Run(IReadOnlyList<Sample> samples);

    /// <summary>Throws unless the rule holds.</summary>
    protected static void Require(bool holds, string rule)
    {
        if (!holds)
        {
            throw new FuzzException(rule);
        }
    }

    /// <summary>What the calling thread allocated since <paramref name="before"/> has to be in proportion to the input.</summary>
    protected static void RequireLittleMemory(long before, int inputLength, int perByte)
    {
        const int Once = 256 * 1024; // types and tables that are loaded with the first use
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Require(allocated <= Once + ((long)perByte * inputLength), $"{inputLength} bytes of input took {allocated} bytes of memory");
    }
}

/// <summary>A target that takes each message by itself.</summary>
internal abstract class MessageTarget : FuzzTarget
{
    /// <summary>Real messages.</summary>
    protected abstract IReadOnlyList<byte[]> Corpus { get; }

    /// <summary>Words to put in, for a language.</summary>
    protected virtual IReadOnlyList<byte[]> Tokens => [];

    /// <summary>More memory than this for each byte of a message is a fault.</summary>
    protected abstract int MemoryPerByte { get; }

    /// <inheritdoc/>
    public override void Run(IReadOnlyList<Sample> samples)
    {
        foreach (var sample in samples)
        {
            var input = sample.Apply(Corpus[(int)(sample.Entry % (uint)Corpus.Count)], Corpus, Tokens);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Take(input);
            RequireLittleMemory(before, input.Length, MemoryPerByte);
        }
    }

    /// <summary>Gives it one message.</summary>
    protected abstract void Take(byte[] input);
}
