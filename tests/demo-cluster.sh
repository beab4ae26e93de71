#!/bin/bash
# Every verb of configure-scripts/demo-cluster, with stand-ins for our programs (tests/demo-cluster). Prints one line for
# each promise and ends with 1 if one is broken. As root both kinds of hosts are tried, else those that need no root.
#
#     tests/demo-cluster.sh [TEXT]      only the promises whose name contains TEXT
set -uo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d "${TMPDIR:-/tmp}/dt.XXXXXX")
only=${1-}
broken=0
export DEMO_CLUSTER=test-$$ QUEUE_BIN=$work/bin TMPDIR=$work

cp -r "$tree/configure-scripts" "$work/scripts"
cp -r "$tree/tests/demo-cluster" "$work/bin"
chmod -R go+rX "$work"
demo=$work/scripts/demo-cluster
cluster=$work/queue-demo-$EUID/$DEMO_CLUSTER

finish() {
    local status=$?
    "$demo" down
    DEMO_CLUSTER=$DEMO_CLUSTER-2 "$demo" down
    rm -rf "$work"
    exit $((status ? status : broken))
}
trap finish EXIT

# A promise is a function whose name says it. It runs in a subshell that ends at the first thing that is not so.
promise() { # FUNCTION
    [[ $1 == *"$only"* ]] || return 0
    # Not as a condition: there bash would not end it.
    local status begun
    begun=$(milliseconds)
    (set -e; "$1") >"$work/said" 2>&1
    status=$?
    if ((status == 0)); then
        echo "ok      $1 ($(($(milliseconds) - begun)) ms)"
    else
        echo "BROKEN  $1"
        sed 's/^/        /' "$work/said"
        broken=1
    fi
}

so() { "$@" || { echo "not so: $*" && exit 1; }; }
is() { [[ $1 == "$2" ]] || { echo "got '$1', not '$2'" && exit 1; }; }
ends() { # STATUS COMMAND...
    local expected=$1 status=0
    shift
    "$@" || status=$?
    is "$status ($*)" "$expected ($*)"
}
on() { # HOST COMMAND...
    local host=$1
    shift
    "$demo" exec "$host" -- "$@"
}
eventually() { # COMMAND...
    local attempt
    for ((attempt = 0; attempt < 500; attempt++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.01
    done
    echo "never: $*" && exit 1
}
ended() { [[ ! -e /proc/$1/stat ]] || grep -q ') Z ' "/proc/$1/stat"; } # CHILD, before it is waited for
gone() { ! ps -p "${1// /,}"; } # PROCESSES
milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# --- both kinds of hosts -------------------------------------------------------------------------------------------

wrong_usage_is_64_and_one_sentence() {
    local arguments
    for arguments in sideways "up" "up 0" "up many" "up 999" "up 2 3" "cut" "pids redfish cook" "load x" \
        "exec" "down now"; do
        # shellcheck disable=SC2086 # several words
        ends 64 "$demo" $arguments 2>"$work/message"
        is "$(wc -l <"$work/message")" 1
    done
    DEMO_CLUSTER=a/b ends 64 "$demo" status
    ends 0 "$demo" down
    so grep -q 'demo-cluster up' <("$demo" help)
}

up_makes_hosts_with_daemons_quickly() {
    local begun
    begun=$(milliseconds)
    "$demo" up 4
    local took=$(($(milliseconds) - begun))
    echo "up took $took ms"
    ((took < 4000)) # half of it where nobody else is busy
    is "$("$demo" status | awk 'NR > 1 {print $1}' | paste -sd' ')" "redfish bluefish onefish twofish"
    so test -n "$("$demo" pids twofish)"
    grep -q '^peers = \[\]$' "$cluster/redfish/config/queue/queued.toml"
    grep -q "^peers = \[\"$(<"$cluster/redfish/address"):7117\"\]$" "$cluster/onefish/config/queue/queued.toml"
}

up_refuses_what_is_up_and_leaves_it() {
    local before
    before=$("$demo" pids redfish)
    ends 1 "$demo" up 2
    is "$("$demo" pids redfish)" "$before"
    is "$("$demo" status | wc -l)" 5
}

exec_is_the_command() {
    is "$(echo typed | on redfish cat)" typed
    ends 7 on redfish sh -c 'exit 7'
    ends 127 on redfish no-such-command
    ends 126 on redfish /etc/passwd
    # shellcheck disable=SC2016 # for the shell there
    is "$(cd /usr/lib && on bluefish sh -c 'echo $PWD $(pwd -P)')" "/usr/lib /usr/lib"
    is "$(on bluefish sh -c 'command -v queued')" "$QUEUE_BIN/queued"
    is "$(QUEUE_BIN=/elsewhere on bluefish sh -c "echo \${PATH%%:*}")" /elsewhere
    is "$(X='a  b' on bluefish printenv X)" 'a  b'
    is "$(on bluefish printf '<%s>' 'a b' '' '*')" '<a b><><*>'
    is "$(HOME=/else on bluefish printenv HOME)" /else
    is "$(on bluefish sh -c 'cat <&5' 5<<<fifth)" fifth
    ends 64 "$demo" exec redfish --
    ends 64 "$demo" exec nofish -- true
    local variable
    for variable in XDG_STATE_HOME XDG_CONFIG_HOME XDG_RUNTIME_DIR TMPDIR; do
        is "$(on bluefish printenv $variable | sed 's,/[a-z]*$,,')" "$cluster/bluefish"
    done
    is "$(on bluefish stat -c %a "$cluster/bluefish/run")" 700
}

exec_dies_of_the_commands_signal() {
    # shellcheck disable=SC2016 # for the shell there
    is "$(/usr/bin/python3 -c '
import subprocess, sys
print(subprocess.run(sys.argv[1:]).returncode)' "$demo" exec redfish -- sh -c 'kill -USR1 $$')" -10
}

exec_passes_on_signals_and_how_they_are_set() {
    local child
    "$demo" exec redfish -- sh -c 'trap "echo heard; exit 3" TERM; echo begun; while :; do sleep 0.01; done' >"$work/heard" &
    child=$!
    eventually grep -q begun "$work/heard"
    kill -TERM $child
    eventually ended $child
    ends 3 wait $child
    grep -q heard "$work/heard"
    local mask
    mask=$(trap '' PIPE CHLD USR2 && on redfish grep SigIgn /proc/self/status | cut -f 2)
    is $((0x$mask & 0x11800)) $((0x11800))
    mask=$(trap - PIPE && on redfish grep SigIgn /proc/self/status | cut -f 2)
    is $((0x$mask & 0x1000)) 0
}

pids_are_those_of_the_caller() {
    local role process
    for role in daemon runner leaders leader; do
        eventually "$demo" pids bluefish $role
        process=$("$demo" pids bluefish $role)
        is "$(wc -w <<<"$process")" 1
        so kill -0 "$process"
    done
    is "$(<"/proc/$process/comm")" queue-leader
    is "$("$demo" pids bluefish)" "$("$demo" pids bluefish daemon)"
    ends 1 "$demo" pids bluefish client
}

start_leaves_alone_what_runs_and_starts_what_died() {
    local before
    before=$("$demo" pids onefish)
    "$demo" start onefish
    is "$("$demo" pids onefish)" "$before"
    kill -KILL "$before"
    eventually test ! -e "/proc/$before"
    "$demo" start onefish
    so test "$("$demo" pids onefish)" != "$before"
}

a_daemon_lives_apart_from_who_started_it() {
    local process
    process=$("$demo" pids onefish)
    is "$(readlink "/proc/$process/fd/1")" "$cluster/onefish/queued.log"
    is "$(readlink "/proc/$process/fd/0")" /dev/null
    is "$(ps -o tty= -p "$process" | tr -d ' ')" '?'
    ends 1 grep "^$cluster\$" <(readlink "/proc/$process"/fd/*)
    so test "$(ps -o sid= -p "$process")" != "$(ps -o sid= -p $$)"
}

a_daemon_that_ends_is_reported_with_its_last_words() {
    kill -KILL "$("$demo" pids onefish)"
    QUEUED_BREAKS=1 ends 1 "$demo" start onefish 2>"$work/message"
    grep -q 'broken as asked' "$work/message"
    "$demo" start onefish
}

clusters_do_not_meet() {
    local second=(env "DEMO_CLUSTER=$DEMO_CLUSTER-2" "$demo")
    "${second[@]}" up 1
    so test "$(<"$cluster-2/number")" != "$(<"$cluster/number")"
    so test -n "$("${second[@]}" pids redfish)"
    so test "$("${second[@]}" pids redfish)" != "$("$demo" pids redfish)"
    "${second[@]}" down
    so test ! -e "$cluster-2"
    so test -n "$("$demo" pids redfish)"
}

down_leaves_nothing() {
    local processes
    processes="$("$demo" pids redfish) $("$demo" pids redfish leader) $("$demo" pids bluefish runner)"
    "$demo" exec redfish -- sleep 1000 &
    eventually on redfish pgrep -f 'sleep 1000'
    "$demo" down
    ends 1 "$demo" status
    so test ! -e "$work/queue-demo-$EUID"
    eventually gone "$processes"
    eventually ended $!
    ends 137 wait $!
    ends 0 "$demo" down
}

an_up_that_fails_takes_everything_back() {
    QUEUED_BREAKS=1 ends 1 "$demo" up 2 2>"$work/message"
    grep -q 'broken as asked' "$work/message"
    so test ! -e "$work/queue-demo-$EUID"
    QUEUE_BIN=/nowhere ends 1 "$demo" up 2
    so test ! -e "$work/queue-demo-$EUID"
}

down_removes_what_a_killed_up_left() {
    local delay before after
    before=$(pgrep -c -f "$work/queue-demo" || true)
    for delay in 0.02 0.05 0.1 0.15 0.2 0.25 0.3 0.4; do
        timeout -s KILL "$delay" "$demo" up 3 || true
        "$demo" down
        so test ! -e "$work/queue-demo-$EUID"
    done
    after=$(pgrep -c -f "$work/queue-demo" || true)
    is "$after" "$before"
}

bare_hosts_have_no_daemon_and_no_configuration() {
    QUEUE_BIN=/nowhere "$demo" up --bare 2
    ends 1 "$demo" pids redfish
    so test ! -e "$cluster/key"
    on redfish true
    "$demo" down
}

# --- hosts that are namespaces -------------------------------------------------------------------------------------

a_host_looks_like_a_machine() {
    is "$(on onefish uname -n)" onefish
    is "$(on onefish ps -o args= -p 1)" "sleep infinity"
    is "$(on onefish ip -4 -o addr | awk '{print $4}' | paste -sd' ')" "127.0.0.1/8 $(<"$cluster/onefish/address")/24"
    is "$(on onefish getent hosts twofish | awk '{print $1}')" "$(<"$cluster/twofish/address")"
    so test "$(on onefish cat /proc/sys/kernel/random/boot_id)" != "$(on redfish cat /proc/sys/kernel/random/boot_id)"
    is "$(on onefish grep ^0: /proc/self/cgroup)" "0::/host"
    is "$(on onefish pgrep -c sleep)" 1
    ends 1 grep -q fish <(ip link)
    # shellcheck disable=SC2016 # for the shell there
    is "$(on onefish sh -c 'ps -o ppid= -p $(pgrep -x queued -o)' | tr -d ' ')" 1
}

exec_is_fast() {
    local -a times=()
    local round begun middle
    for ((round = 0; round < 21; round++)); do
        begun=${EPOCHREALTIME/[.,]/}
        "$demo" exec redfish -- true
        middle=${EPOCHREALTIME/[.,]/}
        true_alone
        times+=($((2 * middle - begun - ${EPOCHREALTIME/[.,]/})))
    done
    mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
    # The least, since others may be busy here.
    echo "exec costs ${times[0]} us"
    ((times[0] < 15000))
}
true_alone() { env true; }

job_control_works_through_exec() {
    so "$work/bin/terminal" "$demo" redfish
}

a_killed_exec_takes_the_command_along() {
    "$demo" exec redfish -- sh -c 'echo $$; exec sleep 4711' >"$work/pid" &
    eventually on redfish pgrep -f 'sleep 4711'
    kill -KILL $!
    eventually nobody_sleeps
}
nobody_sleeps() { ! on redfish pgrep -f 'sleep 4711'; }

cut_is_silence_and_heal_ends_it() {
    "$demo" exec redfish -- "$work/bin/talk" "$(<"$cluster/bluefish/address")" "$work" &
    local talk=$!
    eventually test -e "$work/answered-1"
    "$demo" cut bluefish
    so grep -q '^bluefish .* cut ' <("$demo" status)
    touch "$work/ask-2"
    sleep 1
    so test ! -e "$work/answered-2"
    ends 124 timeout 1 "$demo" exec bluefish -- bash -c "echo </dev/tcp/$(<"$cluster/redfish/address")/7117"
    so kill -0 $talk
    "$demo" heal bluefish
    eventually test -e "$work/answered-2"
    eventually ended $talk
    ends 0 wait $talk
    on bluefish bash -c "echo </dev/tcp/$(<"$cluster/redfish/address")/7117"
}

crash_is_the_end_of_all_without_a_word() {
    local process talk
    process="$("$demo" pids bluefish) $("$demo" pids bluefish leader)"
    rm -f "$work"/ask-* "$work"/answered-*
    "$demo" exec redfish -- "$work/bin/talk" "$(<"$cluster/bluefish/address")" "$work" &
    talk=$!
    eventually test -e "$work/answered-1"
    "$demo" exec bluefish -- sleep 1000 &
    local sleeper=$!
    eventually on bluefish pgrep -f 'sleep 1000'
    "$demo" crash bluefish
    so gone "$process"
    eventually ended $sleeper
    ends 137 wait $sleeper
    touch "$work/ask-2"
    sleep 1
    so kill -0 $talk
    kill -KILL $talk
    so grep -q '^bluefish .* down ' <("$demo" status)
    ends 125 on bluefish true
    ends 1 "$demo" crash bluefish
    ends 1 "$demo" start bluefish
    ends 1 "$demo" cut bluefish
}

boot_brings_the_host_back_with_its_state() {
    local before
    before=$(<"$cluster/bluefish/boot_id")
    touch "$cluster/bluefish/state/kept" "$cluster/bluefish/run/lost"
    "$demo" boot bluefish
    so test "$(on bluefish cat /proc/sys/kernel/random/boot_id)" != "$before"
    so test -e "$cluster/bluefish/state/kept"
    so test ! -e "$cluster/bluefish/run/lost"
    so test -n "$("$demo" pids bluefish)"
    on redfish bash -c "echo </dev/tcp/$(<"$cluster/bluefish/address")/7117"
    ends 1 "$demo" boot bluefish
}

load_is_seen_on_that_host_alone() {
    "$demo" load onefish 2.5
    is "$(on onefish cat /proc/loadavg | awk '{print $1, $2, $3, $4 + 0}')" "2.50 2.50 2.50 3"
    "$demo" load onefish 0
    is "$(on onefish cat /proc/loadavg | awk '{print $1, $4 + 0}')" "0.00 1"
    "$demo" load onefish 100
    is "$(on onefish cat /proc/loadavg | awk '{print $1, $4 + 0}')" "100.00 101"
    is "$(on twofish cat /proc/loadavg | awk '{print $1}')" 0.00
    ends 64 "$demo" load onefish -3
    "$demo" load onefish 0
}

# --- hosts that are addresses --------------------------------------------------------------------------------------

what_needs_root_is_refused() {
    local arguments
    for arguments in "cut redfish" "heal redfish" "crash redfish" "boot redfish" "load redfish 1"; do
        # shellcheck disable=SC2086 # two words
        ends 64 "$demo" $arguments
    done
}

# -------------------------------------------------------------------------------------------------------------------

common=(wrong_usage_is_64_and_one_sentence up_makes_hosts_with_daemons_quickly up_refuses_what_is_up_and_leaves_it
    exec_is_the_command exec_dies_of_the_commands_signal exec_passes_on_signals_and_how_they_are_set
    pids_are_those_of_the_caller start_leaves_alone_what_runs_and_starts_what_died
    a_daemon_lives_apart_from_who_started_it a_daemon_that_ends_is_reported_with_its_last_words clusters_do_not_meet)
last=(down_leaves_nothing an_up_that_fails_takes_everything_back down_removes_what_a_killed_up_left
    bare_hosts_have_no_daemon_and_no_configuration)
if ((EUID == 0)); then
    own=(a_host_looks_like_a_machine exec_is_fast job_control_works_through_exec a_killed_exec_takes_the_command_along
        cut_is_silence_and_heal_ends_it crash_is_the_end_of_all_without_a_word
        boot_brings_the_host_back_with_its_state load_is_seen_on_that_host_alone)
else
    own=(what_needs_root_is_refused)
fi
for name in "${common[@]}" "${own[@]}" "${last[@]}"; do
    promise "$name"
done

# And once more as nobody in particular, from a copy that everybody may read.
if ((EUID == 0)); then
    echo "as user 65534:"
    other=$(mktemp -d "${work%/*}/dt.XXXXXX")
    mkdir "$other/tests"
    cp -r "$work/scripts" "$other/configure-scripts"
    cp -r "$0" "$work/bin" "$other/tests/"
    mv "$other/tests/bin" "$other/tests/demo-cluster"
    chown -R 65534:65534 "$other"
    TMPDIR=$other setpriv --reuid 65534 --regid 65534 --clear-groups "$other/tests/${0##*/}" "$only" || broken=1
    rm -rf "$other"
fi
