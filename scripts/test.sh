#!/usr/bin/env bash
# Every test, from nothing: sets up what they need, runs them, and ends with one line: “N passed, N failed”.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/prepare.sh

usage() {
    cat <<END
Usage: scripts/test.sh [lint] [unit] [system] [hosts | hosts/ROOM] [soak]

Runs what is named, or all of it but the soak. Root is needed: tests make network namespaces, switches and containers.

  lint     style, types, import borders and shell scripts
  unit     everything that needs no host, properties and golden listings among it
  system   a real Open vSwitch without packets
  hosts    several hosts with real Docker on this machine, or one room of them, a folder in tests/hosts:
           hosts/promises measures rates and losses, and has the machine for itself when all else is done
  soak     500 random steps through the lives of containers; among the hosts' tests are 100.
           SOAK_SEED and SOAK_STEPS say others: a walk that failed says which seed was its
END
}

say() { echo "test.sh: $*"; }
refuse() {
    say "$*" >&2
    exit 2
}

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
    counted=$(python -m scripts.count "$reports/$what.xml" "$status") || counted="0 1"
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
hosts() { tests hosts tests/hosts/test_*.py; } # those in no room
soak() {
    SOAK_SEED=${SOAK_SEED:-$RANDOM} SOAK_STEPS=${SOAK_STEPS:-500} tests soak tests/hosts/lives/test_soak.py
}

# A part by its name: a function above, or a room of the hosts' tests.
run() {
    case $1 in
        hosts/*) tests "$1" "tests/$1" ;;
        *) "$1" ;;
    esac
}

# Parts that take nothing from each other, one more than there are processors, for they wait much. Each is heard when it
# has ended.
beside() {
    local part
    set -m # a group of its own for each, so that all of it ends with this script
    for part; do
        while (($(jobs -pr | wc -l) > $(nproc))); do wait -n || true; done
        {
            run "$part" >"$reports/$part.said" 2>&1 || note 0 1 "$part"
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
        hosts/[a-z]*) [[ -d tests/$part && $part != */*/* ]] || refuse "there is no room tests/$part" ;;
        --help | -h)
            usage
            exit
            ;;
        *)
            refuse "“$part” is not understood; --help says what is"
            ;;
    esac
done
((EUID == 0)) || refuse "this takes root: use sudo"
(($#)) || set -- hosts unit system lint # what is long begins first

exec </dev/null
prepare --test-packages
reports=$(mktemp -d)
mkdir "$reports/hosts"
touch "$reports/counts"
trap clean EXIT
side=() alone=()
add() {
    case $1 in
        hosts/promises) alone+=("$1") ;;
        *) side+=("$1") ;;
    esac
}
for part; do
    case $part in
        hosts)
            add hosts
            for room in tests/hosts/[a-z]*/; do # each with labs of its own
                room=${room#tests/}
                add "${room%/}"
            done
            ;;
        unit)
            add helper
            add unit
            ;;
        *) add "$part" ;;
    esac
done
beside "${side[@]}"
for part in "${alone[@]}"; do
    run "$part"
done
wrong=$(awk '$2 { $1 = $2 = ""; printf "%s;", $0 }' "$reports/counts")
[[ -z $wrong ]] || say "failed:${wrong%;}"
awk '{ passed += $1; failed += $2 } END { print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 }' "$reports/counts"
