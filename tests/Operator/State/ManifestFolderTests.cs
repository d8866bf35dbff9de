using Microsoft.Extensions.Logging.Abstractions;
using WgMesh.Crds;
using WgMesh.Kubernetes;
using WgMesh.Operator.State;
using static WgMesh.Operator.Tests.Manifest;

namespace WgMesh.Operator.Tests.State;

public sealed class ManifestFolderTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _files = new(), _lastGood = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching.WaitAsync(Patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Assert.False(_watching.IsFaulted, _watching.Exception?.ToString());
        _stop.Dispose();
        _files.Dispose();
        _lastGood.Dispose();
    }

    [Fact]
    public void Every_manifest_of_the_folder_is_read_at_the_start()
    {
        Put(_files["b.yaml"], Node("b", "10.2.0.0/24") + Peer("laptop", 9));
        Put(_files["a.yml"], Node("a", "10.1.0.0/24"));
        Put(_files["c.json"], """{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "c"}}""");
        Put(_files["notes.txt"], "not a manifest");

        var folder = Load();

        Assert.Equal(["Node/a", "Node/b", "WireGuardPeer/laptop", "Node/c"], Identities(folder.Current.Value));
        Assert.Empty(folder.Current.Value.Problems);
    }

    [Fact]
    public async Task Files_that_come_change_and_go_are_followed()
    {
        var folder = Watch(Load());

        Put(_files["laptop.yaml"], Peer("laptop", 9));
        await Eventually(folder, now => Peers(now) == "laptop");

        Put(_files["laptop.yaml"], Peer("phone", 9));
        await Eventually(folder, now => Peers(now) == "phone");

        File.Delete(_files["laptop.yaml"]);
        await Eventually(folder, now => Peers(now) == "");
    }

    [Fact]
    public async Task A_file_that_breaks_takes_nothing_away_until_it_is_in_order_or_gone()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9) + Peer("phone", 10));
        Put(_files["other.yaml"], Peer("site", 11));
        var folder = Watch(Load());

        Put(_files["peers.yaml"], "kind: [unfinished");
        var broken = await Eventually(folder, now => now.Problems.Length > 0);
        Assert.Equal("site laptop phone", Peers(broken));
        Assert.Contains("peers.yaml:", Assert.Single(broken.Problems), StringComparison.Ordinal);

        Put(_files["peers.yaml"], Peer("phone", 12));
        var repaired = await Eventually(folder, now => now.Problems.IsEmpty);
        Assert.Equal("site phone", Peers(repaired));

        Put(_files["peers.yaml"], "kind: [unfinished");
        await Eventually(folder, now => now.Problems.Length > 0);
        File.Delete(_files["peers.yaml"]);
        await Eventually(folder, now => Peers(now) == "site" && now.Problems.IsEmpty);
    }

    [Fact]
    public async Task One_bad_object_keeps_its_last_good_state_while_its_neighbours_change()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9) + Peer("phone", 10));
        var folder = Watch(Load());

        Put(_files["peers.yaml"], Peer("laptop", 9, "allowedIPs: [10.1.2.3/24]") + Peer("phone", 11) + Peer("tablet", 12));
        var now = await Eventually(folder, now => now.Problems.Length > 0);

        Assert.Equal("phone tablet laptop", Peers(now));
        Assert.Empty(now.Objects.OfType<WireGuardPeer>().Single(peer => peer.Metadata.Name == "laptop").Spec.AllowedIPs);
        Assert.Contains("spec.allowedIPs[0]", Assert.Single(now.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_restart_with_a_broken_file_comes_to_the_same_end()
    {
        Put(_files["all.yaml"], Node("a", "10.1.0.0/24", "192.0.2.1")
            + Peer("laptop", 9, "allowedIPs: [10.9.0.0/24], presharedKeySecretRef: {name: psk}")
            + Secret("psk", "c2VjcmV0") + Mesh("listenPort: 7000"));
        var before = Load().Current.Value;
        Put(_files["all.yaml"], "kind: [unfinished");

        var after = Load().Current.Value;

        Assert.Equal(Identities(before).Order(), Identities(after).Order());
        Assert.Single(after.Problems);
        Assert.Equal("192.0.2.1", after.Objects.OfType<Node>().Single().Status.Addresses.Single().Address);
        Assert.Equal("psk", after.Objects.OfType<WireGuardPeer>().Single().Spec.PresharedKeySecretRef!.Name);
        Assert.Equal("c2VjcmV0"u8, after.Objects.OfType<Secret>().Single().Find("presharedKey")!);
        Assert.Equal(7000, after.Objects.OfType<WireGuardMesh>().Single().Spec.ListenPort);
    }

    [Fact]
    public void What_is_kept_for_a_restart_is_for_the_owner_alone()
    {
        Put(_files["psk.yaml"], Secret("psk", "c2VjcmV0"));
        Load();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_lastGood["psk.yaml"]));
    }

    [Fact]
    public void What_was_deleted_while_the_operator_was_away_is_gone()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9));
        Put(_files["others.yaml"], Peer("phone", 10));
        Load();
        File.Delete(_files["peers.yaml"]);

        Assert.Equal("phone", Peers(Load().Current.Value));
        Assert.Equal([_lastGood["others.yaml"]], Directory.GetFiles(_lastGood.Path));
    }

    [Fact]
    public async Task A_folder_that_is_empty_at_the_start_takes_nothing_away_until_it_holds_something()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9));
        Load();
        File.Delete(_files["peers.yaml"]);

        var folder = Load();
        Assert.Equal("laptop", Peers(folder.Current.Value));
        Assert.Contains("stays in force", Assert.Single(folder.Current.Value.Problems), StringComparison.Ordinal);

        Watch(folder);
        Put(_files["others.yaml"], Peer("phone", 10));
        await Eventually(folder, now => Peers(now) == "phone" && now.Problems.IsEmpty);
        File.Delete(_files["others.yaml"]);
        await Eventually(folder, now => Peers(now) == "" && now.Problems.IsEmpty);
    }

    [Fact]
    public async Task Of_an_object_in_two_files_the_first_files_counts_and_the_other_is_told()
    {
        Put(_files["1.yaml"], Peer("laptop", 9));
        Put(_files["2.yaml"], Peer("laptop", 10));
        var folder = Watch(Load());

        Assert.Equal(Planning.Clusters.Key(9).ToString(), folder.Current.Value.Objects.OfType<WireGuardPeer>().Single().Spec.PublicKey);
        var problem = Assert.Single(folder.Current.Value.Problems);
        Assert.Contains("2.yaml:2: WireGuardPeer/laptop", problem, StringComparison.Ordinal);
        Assert.Contains("1.yaml:2", problem, StringComparison.Ordinal);

        File.Delete(_files["1.yaml"]);
        var now = await Eventually(folder, now => now.Problems.IsEmpty);
        Assert.Equal(Planning.Clusters.Key(10).ToString(), now.Objects.OfType<WireGuardPeer>().Single().Spec.PublicKey);
    }

    [Fact]
    public async Task A_file_written_slowly_is_read_when_it_is_whole()
    {
        // writing takes longer than the watcher waits for quiet, and the folder is read unasked meanwhile; however slow the machine, no
        // pause between two lines is as long as a file has to be left alone
        var folder = new ManifestFolder(_files.Path, _lastGood.Path, NullLogger<ManifestFolder>.Instance)
        {
            Settle = TimeSpan.FromSeconds(10),
            Rescan = TimeSpan.FromMilliseconds(50),
        };
        folder.Load();
        Watch(folder);
        var seen = folder.Current.Value;

        await using (var writer = new StreamWriter(_files["peers.yaml"]) { AutoFlush = true })
        {
            foreach (var line in (Peer("laptop", 9) + Peer("phone", 10)).Split('\n'))
            {
                await writer.WriteLineAsync(line);
                await Task.Delay(250);
            }
        }

        var next = await folder.Current.NextAsync(seen, _stop.Token).WaitAsync(Patience);
        Assert.Equal("laptop phone", Peers(next)); // the very next state: nothing in between was looked at
        Assert.Empty(next.Problems);
    }

    [Fact]
    public async Task An_object_that_moves_to_another_file_is_never_gone()
    {
        Put(_files["z.yaml"], Peer("laptop", 9) + Peer("phone", 10));
        var folder = Watch(Load(settle: TimeSpan.FromSeconds(2))); // the time that the move may take
        var seen = folder.Current.Value;

        File.Delete(_files["z.yaml"]);
        File.WriteAllText(_files["a.yaml"], Peer("laptop", 9));
        File.WriteAllText(_files["b.yaml"], Peer("phone", 10));
        while (seen.Problems.Length > 0 || !File.Exists(_lastGood["b.yaml"]))
        {
            seen = await folder.Current.NextAsync(seen, _stop.Token).WaitAsync(Patience);
            Assert.Equal("laptop phone", Peers(seen));
        }
    }

    [Fact]
    public async Task Nothing_is_taken_away_when_the_folder_itself_is_gone_for_a_while()
    {
        Put(_files["peers.yaml"], Peer("laptop", 9));
        var folder = Watch(Load());

        Directory.Move(_files.Path, _files.Path + ".away");
        try
        {
            var gone = await Eventually(folder, now => now.Problems.Length > 0);
            Assert.Equal("laptop", Peers(gone));
        }
        finally
        {
            Directory.Move(_files.Path + ".away", _files.Path);
        }

        await Eventually(folder, now => now.Problems.IsEmpty && Peers(now) == "laptop");
    }

    [Fact]
    public void A_folder_that_is_not_there_is_an_error_at_the_start() =>
        Assert.Throws<DirectoryNotFoundException>(
            () => new ManifestFolder(_files["none"], _lastGood.Path, NullLogger<ManifestFolder>.Instance).Load());

    private ManifestFolder Load(TimeSpan? settle = null)
    {
        var folder = new ManifestFolder(_files.Path, _lastGood.Path, NullLogger<ManifestFolder>.Instance)
        {
            Settle = settle ?? TimeSpan.FromMilliseconds(100),
            Rescan = TimeSpan.FromSeconds(1),
        };
        folder.Load();
        return folder;
    }

    private ManifestFolder Watch(ManifestFolder folder)
    {
        _watching = folder.WatchAsync(_stop.Token);
        return folder;
    }

    private async Task<Manifests> Eventually(ManifestFolder folder, Predicate<Manifests> condition)
    {
        using var timeout = new CancellationTokenSource(Patience);
        var now = folder.Current.Value;
        while (!condition(now))
            now = await folder.Current.NextAsync(now, timeout.Token);
        return now;
    }

    private static IEnumerable<string> Identities(Manifests manifests) =>
        manifests.Objects.Select(item => new ManifestObject(item, "").Identity);

    private static string Peers(Manifests manifests) => string.Join(' ',
        manifests.Objects.OfType<WireGuardPeer>().Select(peer => peer.Metadata.Name));
}
