#!/bin/sh
# SPDX-License-Identifier: MIT
# machines.sh N [-d MICROSECONDS] [-r MBIT] COMMAND...: runs it where there are N machines, as far as processes can tell:
# network namespaces m1, m2 … with a host name and an address of their own, 10.77.0.1 and so on, behind one bridge.
# Links are as fast as they can be, or have so long a delay each way and so high a rate; that is delayed_link's, whose
# path is in DELAYED_LINK, which does what netem would where the kernel has none. The command gets the addresses in MACHINES, commas
# between, and in AGENT what starts a command there, as mpirun's ssh would. Needs root, or user namespaces; all of it goes
# with the command.
set -eu
self=$(realpath "$0")

if [ "${1:-}" = --inside ]; then
    shift
    count=$1 delay=$2 rate=$3
    shift 3
    mkdir -p /run/netns
    mount -t tmpfs none /run/netns
    ip link set lo up
    ip link add bridge type bridge
    ip addr add 10.77.0.254/24 dev bridge
    ip link set bridge up
    MACHINES=
    for i in $(seq "$count"); do
        ip netns add "m$i"
        if [ "$delay$rate" = 00 ]; then
            ip link add "port$i" type veth peer name eth0 netns "m$i"
        else
            "$DELAYED_LINK" "port$i" "/run/netns/m$i" eth0 "$delay" "$rate" &
            until ip link show "port$i" >/dev/null 2>&1 && ip -n "m$i" link show eth0 >/dev/null 2>&1; do sleep 0.05; done
            ip link set "port$i" mtu 60000
            ip -n "m$i" link set eth0 mtu 60000
        fi
        ip link set "port$i" master bridge up
        ip -n "m$i" addr add "10.77.0.$i/24" dev eth0
        ip -n "m$i" link set eth0 up
        ip -n "m$i" link set lo up
        MACHINES=$MACHINES${MACHINES:+,}10.77.0.$i
    done
    AGENT=$self
    export MACHINES AGENT
    exec "$@"
fi

case ${1:-} in
[0-9]|[0-9][0-9]) # machines.sh N …
    count=$1 delay=0 rate=0
    shift
    while getopts d:r: option; do
        case $option in
        d) delay=$OPTARG ;;
        r) rate=$OPTARG ;;
        *) exit 2 ;;
        esac
    done
    shift $((OPTIND - 1))
    root=
    [ "$(id -u)" -eq 0 ] || root=--map-root-user
    exec unshare $root --net --mount --pid --fork --kill-child --mount-proc "$self" --inside "$count" "$delay" "$rate" "$@"
    ;;
*) # as ssh: [OPTION…] ADDRESS COMMAND…
    while case ${1:-} in -*) true ;; *) false ;; esac; do shift; done
    machine=m${1##*.}
    shift
    exec ip netns exec "$machine" unshare --uts --ipc --mount sh -c "hostname $machine; mount -t tmpfs none /dev/shm; $*"
    ;;
esac
