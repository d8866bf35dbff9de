using System.Collections.Immutable;
using WgMesh.Engine.Routing;

namespace WgMesh.NodeAgent.Cni;

/// <summary>Where the pod network of a node is set up; every value holds.</summary>
internal sealed record PodNetworkOptions
{
    /// <summary>Where the node's container runtime looks for network configurations; null: the pod network is somebody else's.</summary>
    public string? ConfFolder { get; init; }

    /// <summary>Where the node's container runtime looks for plugins.</summary>
    public string BinFolder { get; init; } = "/opt/cni/bin";

    /// <summary>Plugins to install where the node lacks them; the folder need not exist.</summary>
    public string PluginFolder { get; init; } = "/opt/wgmesh/cni-bin";

    /// <summary>A folder that does not outlive a reboot, for the file that says that the data path is up.</summary>
    public string RunFolder { get; init; } = "/run/wgmesh";

    /// <summary>Where the plugin host-local keeps the addresses that it has given, a folder per network; on the node, as the others.</summary>
    public string StoreFolder { get; init; } = "/var/lib/cni/networks";

    /// <summary>Whether pods reach what is not of the mesh under the node's address.</summary>
    public bool Masquerade { get; init; }
}

/// <summary>What the pod network of a node is to be.</summary>
/// <param name="PodCidrs">Of this node, of one family or both.</param>
/// <param name="MeshPrefixes">Everything that is reached through the mesh under a pod's own address, the node's own pods included.</param>
/// <param name="ServiceCidrs">Of the cluster: addresses that are translated on the node before anything leaves it.</param>
/// <param name="Addresses">The node's own in the mesh, prefixes of full length.</param>
/// <param name="Interface">The TUN.</param>
/// <param name="Mtu">Of the TUN, in bytes.</param>
internal sealed record PodNetworkState(
    ImmutableArray<Prefix> PodCidrs,
    ImmutableArray<Prefix> MeshPrefixes,
    ImmutableArray<Prefix> ServiceCidrs,
    ImmutableArray<Prefix> Addresses,
    string Interface,
    int Mtu);

/// <summary>
/// The node's pod network: the CNI configuration and its plugins, and the masquerading of what leaves the mesh. Works in the calling
/// thread's network namespace. One caller at a time.
/// </summary>
/// <param name="nft">Null: the one that is installed.</param>
/// <param name="joining">How long it may take a plugin that has just been given an address to join the pod to the host; null: 5 s.</param>
internal sealed class PodNetwork(PodNetworkOptions options, Nft? nft = null, TimeSpan? joining = null)
{
    private readonly ConfFolder? _conf = options.ConfFolder is { } folder ? new(folder) : null;
    private readonly PluginFolder _plugins = new(options.BinFolder, options.PluginFolder);
    private readonly Masquerade _masquerade = new(nft ?? new Nft());
    private ImmutableArray<Prefix> _ranges = []; // of the configuration that Remove found
    private bool _tidied;

    /// <summary>Whether pods can be started: the configuration is in place, and what it needs.</summary>
    internal bool IsReady { get; private set; }

    /// <summary>What <see cref="Remove"/> could not look for, a sentence; null if there is no such thing.</summary>
    internal string? LeftUnseen => _masquerade.IsWithoutProgram
        ? $"the program nft cannot be run: if there is an nftables table {MasqueradeRules.Table}, it stays (nft delete table {MasqueradeRules.Table})"
        : null;

    /// <summary>Makes it so, once device and host carry packets; what is right already is left alone.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Apply(PodNetworkState desired)
    {
        IsReady = false;
        List<string> faults = [];
        // first, so that the first pod finds it; what an agent with the flag made, one without it takes away
        if (options.Masquerade || !_tidied)
        {
            Add(faults, options.Masquerade ? _masquerade.Apply(desired) : _masquerade.Remove());
        }

        var masquerading = faults.Count;
        _tidied |= masquerading == 0;
        if (_conf is null)
        {
            Add(faults, Abandoned());
        }
        else if (!desired.PodCidrs.IsEmpty)
        {
            Connect(_conf, desired, faults);
        }

        IsReady = _conf is not null && !desired.PodCidrs.IsEmpty && faults.Count == masquerading;
        return faults;
    }

    /// <summary>Takes away everything of ours, and cuts off the pods that are still connected by it.</summary>
    /// <returns>What could not be done, one sentence each.</returns>
    internal IReadOnlyList<string> Remove()
    {
        IsReady = false;
        List<string> faults = [];
        if (_conf is not null)
        {
            Disconnect(_conf, faults);
        }
        else if (Abandoned() is { } abandoned)
        {
            // whose folders are not known here: what they send must go on meeting a closed host
            return [abandoned];
        }

        Add(faults, _masquerade.Remove());
        return faults;
    }

    // by an agent before this one, which was told to look after them; a reboot ends them, and takes the gate
    private string? Abandoned() => Gate.IsOpen(options.RunFolder)
        ? $"cni: {Gate.PathIn(options.RunFolder)} is there: the mesh connected pods of this node, and was told since that they are somebody else's; "
            + "run `wgmesh-agent cleanup` on the node, or install with cni.mode=ptp before uninstalling"
        : null;

    // each step only once what it promises is there: the runtime may start pods as soon as it sees the configuration
    private void Connect(ConfFolder conf, PodNetworkState desired, List<string> faults)
    {
        var gate = Gate.PathIn(Path.GetFullPath(options.RunFolder));
        var (content, unusable) = Conflist.Compose(desired, gate, options.StoreFolder);
        faults.AddRange(unusable);
        if (content is null)
        {
            return;
        }

        var before = faults.Count;
        faults.AddRange(_plugins.Install());
        if (faults.Count == before)
        {
            Add(faults, Gate.Open(options.RunFolder));
        }

        if (faults.Count == before)
        {
            faults.AddRange(conf.Write(content));
        }
    }

    // no new pods, then no pods; what they would be found by goes only when they are gone
    private void Disconnect(ConfFolder conf, List<string> faults)
    {
        // remembered, since what cannot be done now is tried again
        var (content, unread) = conf.ReadIfInForce();
        _ranges = content is null ? _ranges : Conflist.RangesOf(content);
        Add(faults, unread ?? conf.Remove());
        Add(faults, Gate.Close(options.RunFolder));
        var store = Path.Combine(options.StoreFolder, Conflist.NetworkName);
        if (new PodLinks(options.StoreFolder, _ranges, joining ?? TimeSpan.FromSeconds(5)).Cut() is { } uncut)
        {
            faults.Add(uncut);
        }
        else if (Directory.Exists(store))
        {
            Add(faults, FileFault.Try(store, () => Directory.Delete(store, recursive: true)));
        }

        faults.AddRange(_plugins.Remove());
    }

    private static void Add(List<string> faults, string? fault)
    {
        if (fault is not null)
        {
            faults.Add(fault);
        }
    }
}
