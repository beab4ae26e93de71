#!/bin/sh
# The first process of a demo host, in its new namespaces: makes them look like a machine, then holds them for ever.
# Everything else in the host dies with it.
#
#     init.sh NAME HOST-DIRECTORY ETC-HOSTS CGROUP-MOUNT     (CGROUP-MOUNT "": this machine has no version 2 of them)
set -eu
name=$1 directory=$2 hosts=$3 cgroups=$4

# /proc is still the caller's here, so these are our numbers outside. They are written before anything can fail: `down`
# kills what is recorded. The name of a record says it is complete.
read -r line </proc/self/stat
# shellcheck disable=SC2086 # the fields are wanted apart; our own name in them has no blank
set -- $line
printf '%s %s\n' "$1" "${22}" >"$directory/init.new"
mv "$directory/init.new" "$directory/init"

echo "$name" >/proc/sys/kernel/hostname
mount -t proc proc /proc
mount --bind "$directory/loadavg" /proc/loadavg
mount --bind "$directory/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$hosts" /etc/hosts
if [ -n "$cgroups" ]; then
    # Seen from the host its group is the root, which must have no processes itself if its own groups are to have limits.
    # The kernel refuses the same file system over itself, even with another root.
    umount -l "$cgroups"
    mount -t cgroup2 cgroup2 "$cgroups"
    mkdir -p "$cgroups/host"
    echo 0 >"$cgroups/host/cgroup.procs"
fi

: >"$directory/booted"
# Ignored, the signal has the kernel reap orphans for us. A shell's trap does not reach it: shells keep it to themselves.
exec env --ignore-signal=CHLD sleep infinity
