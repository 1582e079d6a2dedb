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
  unit     everything that needs no switch of its own, properties and golden listings among it
  system   a real Open vSwitch without packets
  hosts    several hosts with real Docker on this machine
  soak     500 random steps through the lives of containers; among the hosts' tests are 100.
           SOAK_SEED and SOAK_STEPS say others: a walk that failed says which seed was its
END
}

say() { echo "test.sh: $*"; }

passed=0 failed=0 wrong=()

# One thing that passes or fails as a whole.
check() {
    local what=$1
    shift
    say "$what"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        wrong+=("$what")
    fi
}

# Tests of pytest, counted one by one. A run that breaks off, or finds nothing, is a failure too.
tests() {
    local what=$1 status=0 counted
    shift
    say "$what tests"
    pytest -q -p no:cacheprovider --junit-xml="$reports/$what.xml" "$@" || status=$?
    counted=$(python -m scripts.count "$reports/$what.xml" "$status")
    passed=$((passed + ${counted% *}))
    failed=$((failed + ${counted#* }))
    ((${counted#* } == 0)) || wrong+=("$what tests")
}

lint() {
    check "ruff check" ruff check .
    check "ruff format" ruff format --check .
    check "mypy" mypy --strict app flows scripts
    check "import borders" lint-imports
    check "shell scripts" shellcheck scripts/*.sh .ci/run
}

unit() { tests unit tests --ignore=tests/system --ignore=tests/hosts; }
system() { tests system tests/system; }
hosts() { tests hosts tests/hosts; }
soak() {
    SOAK_SEED=${SOAK_SEED:-$RANDOM} SOAK_STEPS=${SOAK_STEPS:-500} tests soak tests/hosts/lives/test_soak.py
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
trap 'rm -rf "$reports"' EXIT
for part; do
    "$part"
done
((failed == 0)) || say "failed: $(printf '%s; ' "${wrong[@]}")"
echo "$passed passed, $failed failed"
((failed == 0))
