#!/usr/bin/env bash
# Installs Containet on this machine, upgrades it, or takes it away. Asks nothing, and may be run as often as you like.
# shellcheck disable=SC1111 # quotes in messages are for people
set -euo pipefail

HERE=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
OPT=/opt/containet ETC=/etc/containet BIN=/usr/local/bin UNITS=/etc/systemd/system
DAEMON_JSON=/etc/docker/daemon.json
PROGRAMS=(containet containet-helper osken-manager)
SERVICES=(containet-controller containet-helper)

# What a host and a lab need: the switch, containers, NAT, namespaces, and an image that needs no registry.
PACKAGES=(openvswitch-switch nftables iproute2 ethtool util-linux procps kmod python3-venv busybox-static iperf3
    iputils-ping ca-certificates curl)
TEST_PACKAGES=(vagrant shellcheck systemd openssl iptables docker-compose)
BENCH_PACKAGES=(ovn-central ovn-host openvswitch-common) # what Containet is measured beside

usage() {
    cat <<END
Usage: scripts/install.sh [OPTIONS]

Installs Containet on Debian 12 or Ubuntu 24.04, as root: distribution packages, a Python environment in $OPT,
links in $BIN, and systemd units where systemd runs. Run it again to upgrade; what stands in $ETC is kept.
On a host Docker is told to ask the helper for names ($DAEMON_JSON; what else stands there is kept).

  --controller            this machine runs the controller
  --listen IP             the controller is reached at this address too (127.0.0.1 always; with --vtep, there too)
  --tunnel gre|vxlan      how the controller joins the hosts (vxlan)
  --host NAME             this machine is a host of this name
  --vtep IP               the address of this host that tunnels end at; needed with --host
  --controller-url URL    where the host finds the controller (http://127.0.0.1:8080)
  --packages              install the distribution packages and nothing else
  --test-packages         the same, with those that the tests need
  --bench-packages        the same, with those that the benchmarks need
  --uninstall             take everything away again but the distribution packages
  --help                  show this

Examples:
  scripts/install.sh --controller --host host1 --vtep 10.0.0.3
  scripts/install.sh --host host2 --vtep 10.0.0.4 --controller-url http://10.0.0.3:8080
END
}

say() { echo "install.sh: $*"; }
refuse() {
    echo "install.sh: $*" >&2
    exit 2
}

systemd_runs() { [[ -d /run/systemd/system ]]; }

install_packages() {
    local wanted=("$@") missing=() package
    command -v dockerd >/dev/null || wanted+=(docker.io) # another Docker is as good
    for package in "${wanted[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        say "all distribution packages are there"
        return
    fi
    say "installing ${missing[*]}"
    local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
    "${apt[@]}" update </dev/null
    "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
}

install_programs() {
    local python=/usr/bin/python3 program
    if [[ $("$OPT/bin/python" -V 2>/dev/null) != "$("$python" -V)" ]]; then # none yet, or the system has a new Python
        say "making the Python environment $OPT"
        "$python" -m venv --clear "$OPT"
    fi
    say "installing Containet from $HERE"
    source=$(mktemp -d) # pip builds beside the source: not in somebody's checkout
    trap 'rm -rf "$source"' EXIT
    cp -r "$HERE"/{app,flows,scripts,setup.cfg,pyproject.toml,README.md,LICENSE} "$source"
    "$OPT/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore "$source"
    for program in "${PROGRAMS[@]}"; do
        ln -sfn "$OPT/bin/$program" "$BIN/$program"
    done
}

# Writes its input to the file, unless there is one: what people wrote stays.
configure() {
    if [[ -e $1 ]]; then
        say "$1 stays as it is"
        cat >/dev/null
    else
        say "writing $1"
        install -D -m 644 /dev/stdin "$1"
    fi
}

configure_controller() {
    configure "$ETC/controller.conf" <<END
# Options of osken-manager: osken-manager --help
[DEFAULT]
$(printf 'wsapi_host = %s\n' 127.0.0.1 ${listen:+"$listen"} ${vtep:+"$vtep"} | sort -u)
wsapi_port = 8080
ofp_tcp_listen_port = 6653

[containet]
tunnel = $tunnel
state = /var/lib/containet/state.db
END
}

configure_host() {
    configure "$ETC/helper.toml" <<END
host = "$host"
vtep = "$vtep"
controller = "$controller_url"
# "netdev" where the kernel has no module for Open vSwitch
datapath_type = "system"
END
}

# Lets Docker's engine ask the helper for names (add), or no more (remove). It reads that when it starts.
engine_dns() {
    local said
    said=$("$OPT/bin/python" -I -m scripts.engine_dns "$1" "$DAEMON_JSON") || {
        say "so Docker's engine is not told: see “Names” in docs/docker.md"
        return
    }
    [[ $said == changed ]] || return 0
    say "$DAEMON_JSON: the helper's DNS server is ${1%e}ed"
    if systemd_runs && systemctl --quiet is-active docker && [[ -z $(docker ps --quiet) ]]; then
        systemctl restart docker
    else
        say "Docker's engine reads it when it starts: restart it when its containers may stop"
    fi
}

start() {
    local service=$1 command=$2
    if ! systemd_runs; then
        say "no systemd runs here: start it by hand, as root: $command"
        return
    fi
    say "starting $service"
    systemctl enable --quiet "$service"
    systemctl restart "$service"
}

install_all() {
    install_packages "${PACKAGES[@]}"
    install_programs
    if systemd_runs; then
        install -m 644 -t "$UNITS" "$HERE"/scripts/systemd/*.service
        systemctl daemon-reload
    fi
    [[ -z $controller ]] || configure_controller
    [[ -z $host ]] || configure_host
    # An upgrade, too, ends with everything running that is configured.
    [[ ! -e $ETC/controller.conf ]] ||
        start containet-controller "osken-manager --config-file=$ETC/controller.conf app.containet"
    if [[ -e $ETC/helper.toml ]]; then
        systemd_runs || say "Open vSwitch and Docker first: /usr/share/openvswitch/scripts/ovs-ctl start; dockerd"
        start containet-helper containet-helper
        engine_dns add
    fi
    say "done: $("$BIN/containet" --version); containet --help says how to go on"
}

uninstall() {
    local bridge service program device
    [[ ! -e $ETC/helper.toml ]] || engine_dns remove
    bridge=$(sed -n 's/^ *bridge *= *"\([^"]*\)".*/\1/p' "$ETC/helper.toml" 2>/dev/null || true)
    for service in "${SERVICES[@]}"; do
        if systemd_runs && [[ -e $UNITS/$service.service ]]; then
            systemctl disable --quiet --now "$service"
        fi
        rm -f "$UNITS/$service.service"
    done
    if systemd_runs; then systemctl daemon-reload; fi
    remove_network "${bridge:-br-int}"
    for program in "${PROGRAMS[@]}"; do
        [[ $(readlink "$BIN/$program" || true) != "$OPT/bin/$program" ]] || rm "$BIN/$program"
    done
    rm -rf "$OPT" "$ETC" /var/lib/containet /run/containet
    say "Containet is gone; the distribution packages stay: apt-get remove openvswitch-switch docker.io ..."
}

# Takes away NAT, the bridge and the containers' interfaces. Only on a machine that was a host.
remove_network() {
    [[ -e $ETC/helper.toml ]] || return 0
    say "removing NAT, the bridge $1 and the containers' interfaces"
    "$OPT/bin/python" -c 'from scripts.helper.net.nat import Nat; Nat().set(())' ||
        say "NAT could not be taken away; see: nft list table inet containet"
    if ovs-vsctl --timeout=5 show >/dev/null 2>&1; then
        ovs-vsctl --timeout=5 --if-exists del-br "$1"
    else
        say "Open vSwitch does not run, so the bridge $1 stays in its database: ovs-vsctl del-br $1"
    fi
    umount /run/containet/resolver 2>/dev/null || true # the namespace, if there is one
    ip address delete 169.254.53.53/32 dev lo 2>/dev/null || true
    ip -brief link show type veth | while read -r device _; do
        device=${device%@*}
        # Made by the helper: a veth pair's host end, its name a prefix and eight random digits.
        [[ ! $device =~ ^c[tj][0-9a-f]{8}$ ]] || ip link delete "$device" 2>/dev/null || true # gone with its other end
    done
}

is_address() { [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]]; }

mode=all controller='' host='' vtep='' listen='' tunnel=vxlan controller_url=http://127.0.0.1:8080
while (($#)); do
    case $1 in
        --controller) controller=yes ;;
        --packages) mode=packages ;;
        --test-packages) mode='test' ;;
        --bench-packages) mode=bench ;;
        --uninstall) mode=uninstall ;;
        --help | -h)
            usage
            exit
            ;;
        --listen | --tunnel | --host | --vtep | --controller-url)
            (($# > 1)) || refuse "$1 needs a value; --help says which"
            option=${1#--}
            printf -v "${option//-/_}" %s "$2"
            shift
            ;;
        *) refuse "“$1” is not understood; --help says what is" ;;
    esac
    shift
done
[[ -z $host || $host =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] ||
    refuse "“$host” cannot name a host: say 1 to 32 lower-case letters, digits and dashes, no dash at an end"
[[ -z $host ]] || is_address "$vtep" || refuse "“$vtep” is not an IPv4 address: say with --vtep where tunnels end"
[[ -z $vtep || -n $host ]] || refuse "--vtep is said without --host NAME"
[[ -z $listen ]] || is_address "$listen" || refuse "“$listen” is not an IPv4 address: say with --listen which"
[[ $tunnel == gre || $tunnel == vxlan ]] || refuse "there is no tunnel “$tunnel”: say gre or vxlan"
[[ $controller_url =~ ^https?://[^/[:space:]\"]+/?$ ]] ||
    refuse "“$controller_url” is not a URL: say it as http://10.0.0.3:8080"
((EUID == 0)) || refuse "this takes root: use sudo"

case $mode in
    packages) install_packages "${PACKAGES[@]}" ;;
    test) install_packages "${PACKAGES[@]}" "${TEST_PACKAGES[@]}" ;;
    bench) install_packages "${PACKAGES[@]}" "${BENCH_PACKAGES[@]}" ;;
    uninstall) uninstall ;;
    all) install_all ;;
esac
