#!/usr/bin/env bash
# Measures Containet beside what one would pick instead, from nothing: sets up what it needs, then runs scripts/bench.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/prepare.sh

usage() {
    cat <<END
Usage: scripts/bench.sh [OPTIONS] [BENCHMARK ...]

Measures what is named, or all of it, side by side in one run. Root is needed. Let the machine do nothing else
meanwhile.

  attach      from the call to the first echo reply across hosts; beside OVN, ovs-docker, Docker's bridge, commands by hand
  moves       both ends of a stream, or one, to another VLAN: time, packets lost, packets that leak; beside the same
  scale       one change among 10,000 endpoints on 100 bridges, beside the same change with its network alone

  --quick       only a few rounds of each, to see that it works; writes nothing unless --to is said
  --to DIR      write every reading as JSON to DIR/benchmarks/ (docs)
  --networks N  for scale: so many networks of 100 endpoints, and as many bridges (100); writes nothing unless --to is said
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
