# shellcheck shell=bash
# Our programs on a host: what they are configured with, how they start, which process is which.

configure_host() { # HOST FIRST
    local directory=$cluster/$1 peers=
    mkdir -p "$directory/config/queue"
    # The first host is everybody's peer; it learns of the others when they call.
    [[ $1 == "$2" ]] || peers="\"$(<"$cluster/$2/address"):7117\""
    cat >"$directory/config/queue/queued.toml" <<END
host = "$1"
listen = "$(<"$directory/address"):7117"
peers = [$peers]
key = "$cluster/key"
END
}

make_key() {
    [[ -x $programs/queued ]] ||
        refuse "$FAILED" "no program queued in $programs; build it, name its directory in QUEUE_BIN, or use --bare"
    "$programs/queued" --new-key "$cluster/key" || refuse "$FAILED" "queued makes no key"
    chmod 600 "$cluster/key"
}

# Over when the daemon listens, or is seen to have ended, or after ten seconds.
start_daemon() { # HOST
    local log=$cluster/$1/queued.log now begun seen
    ! listens "$1" || return 0
    (run_on "$1" apart queued) </dev/null >>"$log" 2>&1 9<&- || refuse "$FAILED" "host $1: $(tail -n 1 "$log")"
    begun=${EPOCHREALTIME/[.,]/} seen=$begun
    while ! listens "$1"; do
        sleep 0.01
        now=${EPOCHREALTIME/[.,]/}
        ! processes_in_role "$1" daemon >/dev/null || seen=$now
        ((now - seen < 1000000)) || refuse "$FAILED" "host $1: queued has ended: $(tail -n 3 "$log")"
        ((now - begun < 10000000)) || refuse "$FAILED" "host $1: queued does not listen on its socket after 10 s; see $log"
    done
}

# Prints the processes of the role, lowest first; fails if there are none.
processes_in_role() { # HOST daemon|runner|leaders|leader|client
    local found=() process role
    for process in $(processes_of "$1"); do
        role_of "$process"
        [[ $role != "$2" ]] || found+=("$process")
    done
    ((${#found[@]})) && printf '%s\n' "${found[@]}" | sort -n
}

# Sets $role. A leader is forked from the leader maker, so it differs by its name alone.
role_of() { # PROCESS
    local title argument arguments=() previous=
    role=
    { read -r title <"/proc/$1/comm" && mapfile -d '' -t arguments <"/proc/$1/cmdline"; } 2>/dev/null || return 0
    case $title in
    queue-leader) role=leader ;;
    queue-spare) role=spare ;;
    queue) role=client ;;
    queued) role=daemon ;;
    esac
    # One that is just ending has no arguments any more.
    argument=${arguments[0]-}
    [[ -z $role && ${argument##*/} == queued ]] && role=daemon
    [[ -n $role && $role != leader && $role != spare ]] || return 0
    for argument in "${arguments[@]}"; do
        [[ $previous != --role ]] || role=$argument
        previous=$argument
    done
}
