#!/usr/bin/env bash
# Every test, from nothing: sets up what they need, runs them, and ends with one line: “N passed, N failed”.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/prepare.sh

usage() {
    cat <<END
Usage: scripts/test.sh [lint] [unit] [system] [hosts] [soak]

Runs what is named, or all of it but the soak. Root is needed: tests make network namespaces, switches and containers.

  lint     style, types, import borders and shell scripts
  unit     everything that needs no host, properties and golden listings among it
  system   a real Open vSwitch without packets
  hosts    several hosts with real Docker on this machine
  soak     500 random steps through the lives of containers; among the hosts' tests are 100.
           SOAK_SEED and SOAK_STEPS say others: a walk that failed says which seed was its
END
}

say() { echo "test.sh: $*"; }

# So many passed and failed of this.
note() { echo "$*" >>"$reports/counts"; }

# One thing that passes or fails as a whole.
check() {
    local what=$1
    shift
    say "$what"
    if "$@"; then note 1 0 "$what"; else note 0 1 "$what"; fi
}

# Tests of pytest, counted one by one. A run that breaks off, or finds nothing, is a failure too.
tests() {
    local what=$1 status=0 counted
    shift
    say "$what tests"
    pytest -q -p no:cacheprovider --junit-xml="$reports/$what.xml" "$@" || status=$?
    counted=$(python -m scripts.count "$reports/$what.xml" "$status")
    # shellcheck disable=SC2086 # two words
    note $counted "$what tests"
}

lint() {
    check "ruff check" ruff check .
    check "ruff format" ruff format --check .
    check "mypy" mypy --strict app flows scripts
    check "import borders" lint-imports
    check "shell scripts" shellcheck scripts/*.sh .ci/run
}

unit() { tests unit tests --ignore=tests/system --ignore=tests/hosts --ignore=tests/scripts/helper; }
helper() { tests helper tests/scripts/helper; }
system() { tests system tests/system; }
hosts() { tests hosts tests/hosts; }
soak() {
    SOAK_SEED=${SOAK_SEED:-$RANDOM} SOAK_STEPS=${SOAK_STEPS:-500} tests soak tests/hosts/lives/test_soak.py
}

# Parts that take nothing from each other, one for each processor at a time; each is heard when it has ended.
beside() {
    local part
    set -m # a group of its own for each, so that all of it ends with this script
    for part; do
        while (($(jobs -pr | wc -l) >= $(nproc))); do wait -n || true; done
        {
            "$part" >"$reports/$part.said" 2>&1 || true
            flock "$reports" cat "$reports/$part.said"
        } &
    done
    wait
    set +m
}

clean() {
    local job
    for job in $(jobs -pr); do kill -INT -- "-$job" || true; done
    wait
    rm -rf "$reports"
}

for part; do
    case $part in
        lint | unit | system | hosts | soak) ;;
        --help | -h)
            usage
            exit
            ;;
        *)
            say "“$part” is not understood; --help says what is" >&2
            exit 2
            ;;
    esac
done
((EUID == 0)) || {
    say "this takes root: use sudo" >&2
    exit 2
}
(($#)) || set -- lint unit system hosts

exec </dev/null
prepare --test-packages
reports=$(mktemp -d)
touch "$reports/counts"
trap clean EXIT
side=() alone=()
for part; do
    case $part in
        hosts) alone+=(hosts) ;; # it measures what is lost, and shares the machine with nobody
        unit) side+=(helper unit) ;;
        *) side+=("$part") ;;
    esac
done
beside "${side[@]}"
for part in "${alone[@]}"; do
    "$part"
done
wrong=$(awk '$2 { $1 = $2 = ""; printf "%s;", $0 }' "$reports/counts")
[[ -z $wrong ]] || say "failed:${wrong%;}"
awk '{ passed += $1; failed += $2 } END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 }' "$reports/counts"
