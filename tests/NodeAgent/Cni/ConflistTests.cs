using System.Text;
using System.Text.Json.Nodes;
using WgMesh.NodeAgent.Cni;

namespace WgMesh.NodeAgent.Tests.Cni;

public sealed class ConflistTests
{
    private const string Gate = "/run/wgmesh/data-path-is-up";
    private const string Store = "/var/lib/cni/networks";

    [Fact]
    public void A_pod_gets_an_address_of_each_family_and_sends_everything_to_the_host()
    {
        var (content, faults) = Conflist.Compose(Pods.Dual, Gate, Store);
        Assert.Empty(faults);
        Assert.Equal(
            """
            {
              "cniVersion": "1.0.0",
              "name": "wgmesh",
              "plugins": [
                {
                  "type": "ptp",
                  "mtu": 1380,
                  "ipam": {
                    "type": "host-local",
                    "dataDir": "/var/lib/cni/networks",
                    "resolvConf": "/run/wgmesh/data-path-is-up",
                    "ranges": [
                      [
                        {
                          "subnet": "10.244.1.0/24"
                        }
                      ],
                      [
                        {
                          "subnet": "fd00:244:1::/64"
                        }
                      ]
                    ],
                    "routes": [
                      {
                        "dst": "0.0.0.0/0"
                      },
                      {
                        "dst": "::/0"
                      }
                    ]
                  }
                },
                {
                  "type": "portmap",
                  "capabilities": {
                    "portMappings": true
                  }
                }
              ]
            }

            """,
            Encoding.UTF8.GetString(content!));
    }

    [Fact]
    public void The_first_family_is_that_of_the_first_pod_CIDR_and_pods_get_one_address_of_it_however_many_there_are()
    {
        var ranges = Ranges(Pods.Of("fd00:244:1::/64", "10.244.1.0/24", "10.244.9.0/24", "10.244.9.128/25"));
        Assert.Equal("""[[{"subnet":"fd00:244:1::/64"}],[{"subnet":"10.244.1.0/24"},{"subnet":"10.244.9.0/24"}]]""", ranges);
    }

    [Fact]
    public void A_pod_CIDR_without_room_is_left_out_and_told()
    {
        var desired = Pods.Of("10.244.1.0/31", "fd00:244:1::/64");
        Assert.Equal("""[[{"subnet":"fd00:244:1::/64"}]]""", Ranges(desired));
        Assert.Equal(
            "cni: the pod CIDR 10.244.1.0/31 is too small to give addresses to pods from: it needs /30 or shorter",
            Assert.Single(Conflist.Compose(desired, Gate, Store).Faults));

        var (content, faults) = Conflist.Compose(Pods.Of("fd00::1/128"), Gate, Store);
        Assert.Null(content);
        Assert.Single(faults);
    }

    private static string Ranges(PodNetworkState desired) =>
        JsonNode.Parse(Conflist.Compose(desired, Gate, Store).Content)!["plugins"]![0]!["ipam"]!["ranges"]!.ToJsonString();
}
