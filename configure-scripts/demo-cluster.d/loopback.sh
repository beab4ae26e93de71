# shellcheck shell=bash
# Hosts as anybody can have them: an address in 127.0.0.0/8 and directories, nothing more. What needs namespaces is
# refused. A process belongs to the host whose runtime directory is in its environment, or to the host of its parent.

require_running() { :; }

require_tools() {
    type -P setsid >/dev/null || refuse "$FAILED" "setsid is missing; it is in util-linux"
}

make_hosts() { # HOST...
    local host
    for host in "$@"; do
        mkdir -m 700 "$cluster/$host/run" "$cluster/$host/tmp"
    done
}

processes_of() { # HOST, or "*" for all: prints their numbers
    local mark=XDG_RUNTIME_DIR=$cluster/$1/run entry line stat process grown=yes
    local -A parent=() member=()
    for entry in /proc/[0-9]*; do
        [[ -O $entry && ${entry#/proc/} != "$$" && ${entry#/proc/} != "$BASHPID" ]] || continue
        process=${entry#/proc/}
        { read -r stat <"$entry/stat"; } 2>/dev/null || continue
        read -ra stat <<<"${stat##*) }"
        [[ ${stat[0]} != Z ]] || continue
        parent[$process]=${stat[1]}
        while IFS= read -r -d '' line; do
            # shellcheck disable=SC2053 # a pattern when HOST is one
            [[ $line == $mark ]] && member[$process]=yes && break
        done 2>/dev/null <"$entry/environ"
    done
    while [[ -n $grown ]]; do
        grown=
        for process in "${!parent[@]}"; do
            if [[ -z ${member[$process]-} && -n ${member[${parent[$process]}]-} ]]; then
                member[$process]=yes grown=yes
            fi
        done
    done
    printf '%s\n' "${!member[@]}"
}

# A process that is just becoming another program, or dying, shows no environment. So what was killed is remembered, and
# only the third look in a row that finds nothing counts.
end_hosts() {
    local attempt process found stat empty=0
    local -A dying=()
    for ((attempt = 0; attempt < 200 && empty < 3; attempt++)); do
        mapfile -t found < <(processes_of '*')
        for process in ${found[*]}; do
            kill -KILL "$process" 2>/dev/null
            dying[$process]=yes
        done
        for process in "${!dying[@]}"; do
            stat=Z
            read -r stat 2>/dev/null <"/proc/$process/stat"
            [[ ${stat##*) } != [ZX]* ]] || unset "dying[$process]"
        done
        if [[ -n ${found[*]}${!dying[*]} ]]; then empty=0; else ((++empty)); fi
        sleep 0.02
    done
    ((empty == 3)) || refuse "$FAILED" "processes do not die: ${!dying[*]}"
}

run_on() { # HOST here|apart COMMAND...: becomes the command, or starts it as a daemon
    local place=$2
    set_environment "$1"
    shift 2
    [[ $place == here ]] || exec setsid --fork "$@"
    exec -- "$@"
}
