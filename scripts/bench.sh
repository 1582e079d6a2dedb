#!/usr/bin/env bash
# Measures Containet beside what one would pick instead, from nothing: sets up what it needs, then runs scripts/bench.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/prepare.sh

usage() {
    cat <<END
Usage: scripts/bench.sh [OPTIONS] [BENCHMARK ...]

Measures what is named, or all of it, by turns with what one would pick instead, and writes docs/benchmarks.md with
tables and plots; every reading goes beside it as JSON. Root is needed. All of it takes some twenty minutes: let the
machine do nothing else meanwhile.

  attach      from the call to the first echo reply across hosts; beside OVN, ovs-docker, Docker's bridge, and by hand
  moves       a stream's ends to another VLAN: time, packets lost, packets that leak; beside OVN, ovs-docker, by hand
  declare     1,000 endpoints at once, until the switches have them; beside OVN, and by hand
  throughput  TCP across hosts, beside two flows that only forward
  speed       flows a second into one switch, and back; beside ovs-ofctl --bundle
  scale       one change among 10,000 endpoints on 100 bridges, beside the same change with its network alone
  restart     the control plane killed under a stream: packets lost; beside OVN

  --quick       only a few rounds of each, to see that it works; writes nothing unless --to is said
  --to DIR      write DIR/benchmarks.md, and what goes with it to DIR/benchmarks/ (docs)
  --networks N  for scale: so many networks of 100 endpoints (100); writes nothing unless --to is said
  --help        show this

Examples:
  scripts/bench.sh
  scripts/bench.sh attach moves
  scripts/bench.sh scale --networks 20
  scripts/bench.sh --quick --to /tmp/figures
END
}

say() { echo "bench.sh: $*"; }

for word; do
    if [[ $word == --help || $word == -h ]]; then
        usage
        exit
    fi
done
((EUID == 0)) || {
    say "this takes root: use sudo" >&2
    exit 2
}

exec </dev/null
prepare --bench-packages
exec python -m scripts.bench "$@"
