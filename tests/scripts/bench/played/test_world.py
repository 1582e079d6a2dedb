"""The large cloud of the benchmark of scale."""

from collections import Counter

from scripts.bench.played.world import Size, everything


def test_every_network_is_on_as_many_hosts_and_has_each_endpoint_once() -> None:
    size = Size(networks=12, endpoints=25, spread=10)
    found = Counter(
        (network, number)
        for h in range(size.hosts)
        for network in size.networks_of(h)
        for number in size.numbers(h, network)
    )
    hosts = [sum(network in size.networks_of(host) for host in range(size.hosts)) for network in range(12)]

    assert found == Counter((network, number) for network in range(12) for number in range(25))
    assert hosts == [10] * 12


def test_one_network_has_its_own_hosts_alone() -> None:
    size = Size(networks=1)

    assert size.hosts == 10
    assert all(size.networks_of(host) == [0] for host in range(10))
    assert sum(len(everything(size, host)["endpoints"]) for host in range(10)) == size.total == 100


def test_no_two_endpoints_of_a_host_have_one_port() -> None:
    ports = [report["ofport"] for report in everything(Size(networks=12), 3)["endpoints"]]

    assert len(ports) == len(set(ports)) == 100
