#!/usr/bin/env bash
# The main job on this machine, from nothing: sets up what it needs, then runs scripts/demo.py.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
. scripts/prepare.sh

say() { echo "demo.sh: $*"; }

usage() {
    cat <<END
Usage: scripts/demo.sh

Makes two hosts on this machine, each with its own Open vSwitch, Docker engine and helper, joins their containers over
GRE and then over VXLAN, moves them between VLANs, limits them, and says what it measured. At the end nothing of the
lab is left. Root is needed.
END
}

case "${1-}" in
    "") ;;
    --help | -h)
        usage
        exit
        ;;
    *)
        say "“$1” is not understood; --help says what is" >&2
        exit 2
        ;;
esac
((EUID == 0)) || {
    say "this takes root: use sudo" >&2
    exit 2
}

exec </dev/null
prepare --packages
exec python -m scripts.demo
