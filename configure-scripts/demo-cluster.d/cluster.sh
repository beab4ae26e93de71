# shellcheck shell=bash
# A cluster on disk: where its directory is, who may change it now, which number it has, which hosts.
#
#   BASE/NAME/            BASE is ${TMPDIR:-/tmp}/queue-demo-UID, NAME is $DEMO_CLUSTER; locked while a verb changes it
#       number            of this cluster among all of BASE: the third byte of its addresses
#       names, hosts      one host a line; the same as /etc/hosts for them
#       key               the cluster key (not with --bare)
#       switch            process and start time of the holder of the bridge's namespace   (root only)
#       enter             what `exec` runs, see enter.c                                     (root only)
#       HOST/address      and cgroup, loadavg, boot_id, init (process, start time), booted, boot.log (root only)
#       HOST/{state,config,run,tmp}, HOST/queued.log
#   BASE/.NAME.down/      the same while `down` is under way

base=${TMPDIR:-/tmp}/queue-demo-$EUID
name=${DEMO_CLUSTER:-demo}
cluster=$base/$name

# How we end: like the project's programs.
readonly FAILED=1 USAGE=64 NOT_RUN=125

refuse() { # STATUS SENTENCE
    printf 'demo-cluster: %s\n' "$2" >&2
    exit "$1"
}

check_cluster_name() {
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$ ]] ||
        refuse $USAGE "DEMO_CLUSTER=$name: letters, digits, - and _ are expected, at most 32"
    # A socket's path may have 107 bytes; the longest of ours ends in host250/run/queue/runner-UID.sock.
    ((${#cluster} <= 65)) || refuse $USAGE "$cluster is too long a path for sockets; set TMPDIR to a shorter one"
}

# The directory is in a place where all may write: it must be ours alone.
make_base() {
    mkdir -m 700 "$base" 2>/dev/null || true
    [[ -e $base || -L $base ]] || return 1 # gone again
    [[ -d $base && ! -L $base && -O $base ]] || refuse $FAILED "$base is not a directory of your own"
    chmod 700 "$base"
}

# Holds DIRECTORY's lock on descriptor 9. One that was removed while we waited does not count. What outlives us must be
# started with 9<&-, or it would hold the lock for its life.
lock_directory() { # DIRECTORY
    while { exec 9<"$1"; } 2>/dev/null; do
        flock 9
        [[ $1 -ef /proc/self/fd/9 ]] && return
    done
    return 1
}

# Claims the cluster's name and the lowest free number, or refuses.
create_cluster() {
    # The last cluster's `down` may take the base along in between.
    until
        make_base && lock_directory "$base"
    do :; done
    mkdir "$cluster" 2>/dev/null ||
        refuse $FAILED "cluster $name is there already, perhaps half made; \`demo-cluster down\` removes it"
    local number used=" "
    for number in "$base"/*/number; do
        [[ -e $number ]] && used+="$(<"$number") "
    done
    # Users share 127.0.0.0/8, so without namespaces each begins elsewhere.
    local first=0 step
    ((EUID == 0)) || first=$((EUID % 250))
    for ((step = 0; step < 250; step++)); do
        number=$(((first + step) % 250))
        [[ $used == *" $number "* ]] || break
    done
    echo "$number" >"$cluster/number"
    exec 9<&-
}

# The name goes first: a process of a killed `up` that is still under way then finds no place for its record, and gives
# up; one that found it is in what we go through. A dying daemon may yet make its directories anew, hence the loop.
remove_cluster() {
    local grave=$base/.$name.down
    while [[ -d $grave || -d $cluster ]]; do
        [[ -d $grave ]] || mv "$cluster" "$grave"
        end_hosts "$grave"
        rm -rf "$grave"
    done
    # The last one takes the base along, never between the steps of an `up`; rmdir refuses when there are others.
    (lock_directory "$base" && rmdir "$base") 2>/dev/null || true
}

require_cluster() {
    [[ -e $cluster/names ]] || refuse $FAILED "no cluster $name is up; \`demo-cluster up 4\` makes one"
}

require_host() { # HOST
    require_cluster
    [[ $1 != */* && -e $cluster/$1/address ]] ||
        refuse $USAGE "no host $1 in cluster $name; its hosts are $(paste -sd' ' "$cluster/names")"
}

host_name() { # NUMBER, from 1
    local names=(redfish bluefish onefish twofish)
    echo "${names[$1 - 1]:-host$1}"
}

# What tells one host's programs from another's: directories of its own, our programs first.
set_environment() { # HOST
    export XDG_STATE_HOME=$cluster/$1/state XDG_CONFIG_HOME=$cluster/$1/config XDG_RUNTIME_DIR=$cluster/$1/run
    export TMPDIR=$cluster/$1/tmp PATH=$programs:$callers_path
}

# A start is over when the daemon listens; its namespace's table says so without a question to the daemon.
listens() { # HOST
    local table=/proc/net/unix
    ((EUID == 0)) && table=/proc/$(init_of "$1")/net/unix
    # The flag 00010000 is "listens": a dead daemon leaves its path behind.
    grep -q " 00010000 .* $cluster/$1/run/queue/queued.sock\$" "$table" 2>/dev/null
}
