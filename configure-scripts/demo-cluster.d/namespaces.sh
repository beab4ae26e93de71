# shellcheck shell=bash
# Hosts as root makes them: namespaces held by a first process, joined by a bridge in a namespace of its own, so that
# neither a link nor a packet of ours is ever seen outside. A process is recorded with its start time: a number alone
# may by now be somebody else's.

here=${BASH_SOURCE[0]%/*}

cgroup_mount() { # prints where version 2 of the control groups is mounted, or nothing
    local place
    for place in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [[ $(stat -f -c %T "$place" 2>/dev/null) == cgroup2fs ]] && echo "$place" && return
    done
    return 0
}

cgroup_of() { # [HOST]
    local mount
    mount=$(cgroup_mount)
    [[ -z $mount ]] || echo "$mount/queue-demo-$EUID-$name${1:+/$1}"
}

# Succeeds if the process that FILE records lives; its number is then in $process.
lives() { # FILE
    local start stat
    { read -r process start <"$1" && read -r stat <"/proc/$process/stat"; } 2>/dev/null || return 1
    # After the name in brackets, which may hold anything, come the state and, as 20th field, the start time.
    read -ra stat <<<"${stat##*) }"
    [[ ${stat[19]} == "$start" && ${stat[0]} != Z ]]
}

init_of() { # HOST: prints the number of its first process, or fails if the host is down
    lives "$cluster/$1/init" && echo "$process"
}

require_running() { # HOST [STATUS]: leaves the number of its first process in $process
    lives "$cluster/$1/init" || refuse "${2-$FAILED}" "host $1 is down; \`demo-cluster boot $1\` starts it"
}

end_process() { # FILE: kills what it records and waits until that is gone
    lives "$1" || return 0
    kill -KILL "$process" 2>/dev/null
    local attempt
    for ((attempt = 0; attempt < 500; attempt++)); do
        lives "$1" || return 0
        sleep 0.01
    done
    refuse "$FAILED" "process $process does not die"
}

# --- network -------------------------------------------------------------------------------------------------------

# A namespace lives as long as its holder.
make_switch() {
    # shellcheck disable=SC2016 # for the new shell
    (setsid unshare --net -- /bin/sh -c '
        read -r line </proc/self/stat
        set -- "$1" $line
        ip link add switch type bridge && ip link set switch up || exit
        printf "%s %s\n" "$2" "${23}" >"$1.new" && mv "$1.new" "$1" || exit
        exec sleep infinity' sh "$cluster/switch" </dev/null >"$cluster/switch.log" 2>&1 9<&- &)
    wait_for "the switch" "$cluster/switch.log" test -e "$cluster/switch"
}

in_switch() { # COMMAND...
    lives "$cluster/switch" || refuse "$FAILED" "the switch of cluster $name is gone; \`demo-cluster down\` cleans up"
    nsenter -t "$process" -n -- "$@"
}

# The port's far end is made inside the host. A booted machine has the card it had: with another hardware address its
# peers would go on calling the old one for a minute.
plug_in() { # HOST
    require_running "$1"
    local host=$process address card
    address=$(<"$cluster/$1/address")
    # shellcheck disable=SC2086 # the four bytes are wanted apart
    printf -v card '02:71:%02x:%02x:%02x:%02x' ${address//./ }
    in_switch ip -batch - <<END || return
link add port-$1 type veth peer name eth0 address $card netns $host
link set port-$1 master switch
link set port-$1 up
END
    nsenter -t "$host" -n -- ip -batch - <<END
link set lo up
addr add $address/24 dev eth0
link set eth0 up
END
}

# Not the cable but the switch fails: with a pulled cable the kernel knows, and treats its connections otherwise.
set_port() { # HOST disabled|forwarding
    in_switch bridge link set dev "port-$1" state "$2"
}

port_state() { # HOST
    in_switch bridge link show dev "port-$1" 2>/dev/null | sed -n 's/.* state \([a-z]*\).*/\1/p'
}

# --- one host ------------------------------------------------------------------------------------------------------

# Until CONDITION holds. The LOG is for complaints: with one in it there is nothing more to wait for.
wait_for() { # WHAT LOG CONDITION...
    local what=$1 log=$2 attempt
    shift 2
    for ((attempt = 0; attempt < 500; attempt++)); do
        "$@" && return
        [[ ! -s $log ]] || break
        sleep 0.01
    done
    refuse "$FAILED" "$what does not start: $(tail -n 3 "$log" 2>/dev/null)"
}

make_cgroups() {
    local top controller
    top=$(cgroup_of)
    [[ -n $top ]] || return 0
    mkdir "$top"
    for controller in $(<"$top/cgroup.controllers"); do
        echo "+$controller" >"$top/cgroup.subtree_control" 2>/dev/null || true
    done
}

start_host() { # HOST: everything but the network and the daemon
    local directory=$cluster/$1 group
    group=$(cgroup_of "$1")
    rm -rf "$directory/run" "$directory/tmp" "$directory/init" "$directory/booted"
    mkdir -m 700 "$directory/run" "$directory/tmp"
    cat /proc/sys/kernel/random/uuid >"$directory/boot_id"
    write_load "$1" 0
    [[ -z $group ]] || mkdir -p "$group"
    echo "${group:+$group/host}" >"$directory/cgroup"
    # The namespace of control groups begins where its maker is, so it is entered from inside the group. The shell's
    # first child is then the first process of the new pid namespace.
    # shellcheck disable=SC2016 # for the new shell
    setsid /bin/sh -c '
        [ -z "$1" ] || echo 0 >"$1/cgroup.procs" || exit
        shift
        exec unshare --net --uts --mount --pid --cgroup -- /bin/sh -c "\"\$@\" &" sh "$@"
    ' sh "$group" "$here/init.sh" "$1" "$directory" "$cluster/hosts" "$(cgroup_mount)" \
        </dev/null >"$directory/boot.log" 2>&1 9<&-
}

booted() { # HOST
    [[ -e $cluster/$1/booted ]]
}

# Silent like a power failure: the link goes first, so that no peer is told by the dying kernel's FIN or RST.
crash_host() { # HOST
    set_port "$1" disabled
    end_process "$cluster/$1/init"
    in_switch ip link del "port-$1"
    end_cgroup "$1"
}

# In the pid namespace everything is dead, but those who stand for it outside may still be on their way.
end_cgroup() { # [HOST]
    local group attempt
    group=$(cgroup_of "${1-}")
    [[ -n $group && -d $group ]] || return 0
    for ((attempt = 0; attempt < 200; attempt++)); do
        echo 1 >"$group/cgroup.kill" 2>/dev/null
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && return
        sleep 0.01
    done
    refuse "$FAILED" "control group $group does not empty"
}

# All fields move: VALUE tasks run, and the one that reads the file, which the kernel counts too. Always the same length
# and written at once, so that a reader sees the old line or the new one.
write_load() { # HOST VALUE
    local line runnable LC_ALL=C # a decimal point, whatever the caller's language
    printf -v runnable %.0f "$2"
    printf -v line '%.2f %.2f %.2f %d/%d 1' "$2" "$2" "$2" $((runnable + 1)) $((runnable + 100))
    printf '%-63s\n' "$line" >"$cluster/$1/loadavg.new"
    if [[ -e $cluster/$1/loadavg ]]; then
        # shellcheck disable=SC2094 # two files
        cat "$cluster/$1/loadavg.new" 1<>"$cluster/$1/loadavg"
    else
        cp "$cluster/$1/loadavg.new" "$cluster/$1/loadavg"
    fi
}

# --- all of them ---------------------------------------------------------------------------------------------------

require_tools() {
    local tool
    for tool in ip bridge unshare nsenter setsid flock cc; do
        type -P "$tool" >/dev/null ||
            refuse "$FAILED" "$tool is missing; hosts need util-linux, iproute2 and a C compiler"
    done
}

make_hosts() {
    local host compiler
    TMPDIR=$cluster cc -O1 -o "$cluster/enter" "$here/enter.c" &
    compiler=$!
    make_cgroups
    make_switch
    for host in "$@"; do
        start_host "$host"
    done
    for host in "$@"; do
        wait_for "host $host" "$cluster/$host/boot.log" booted "$host"
        plug_in "$host" || refuse "$FAILED" "host $host gets no network"
    done
    wait "$compiler" || refuse "$FAILED" "cannot compile $here/enter.c"
}

end_hosts() { # DIRECTORY where the cluster is now: whatever there is of them
    local record
    for record in "$1"/*/init "$1/switch"; do
        [[ ! -e $record ]] || end_process "$record"
    done
    end_cgroup
}

processes_of() { # HOST: prints their numbers, as we see them
    local init entry
    init=$(init_of "$1") || return 0
    for entry in /proc/[0-9]*; do
        [[ $entry/ns/pid -ef /proc/$init/ns/pid ]] && echo "${entry#/proc/}"
    done
    return 0
}

run_on() { # HOST here|apart COMMAND...: becomes the command, or starts it as a daemon
    local host=$1 group option=()
    [[ $2 == here ]] || option=(-d)
    shift 2
    require_running "$host" "$NOT_RUN"
    read -r group <"$cluster/$host/cgroup"
    set_environment "$host"
    exec "$cluster/enter" "${option[@]}" "$process" "$PWD" "$group" "$@"
}
