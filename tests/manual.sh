#!/bin/bash
# Whether the manual has every command and every option that the programs have, and docs/spool.md the tables of spool/src/lib.rs.
# The programs come from QUEUE_BIN or target/debug.
set -euo pipefail
cd "$(dirname "$0")/.."
programs=${QUEUE_BIN:-target/debug}
failed=0
count=0

wrong() { echo "$*" >&2; failed=1; }

# A page as its words, without markup: what stands there can be looked for.
page() { sed -E 's/\\f[A-Z]//g; s/\\-/-/g; s/\\[&c]//g; s/"//g; s/^\.[A-Z]+ //' "man/$1"; }

# PAGE COMMAND...: each long option of the command is on the page.
options() {
    local page=$1 text option
    shift
    text=$(page "$page")
    # --help is said once, in queue(1).
    for option in $("$programs/queue" "$@" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        [[ $option != --help || $# = 0 ]] || continue
        count=$((count + 1))
        grep -qE -- "(^|[^a-z-])$option([^a-z-]|\$)" <<<"$text" || wrong "man/$page does not name $option of queue $*"
    done
}

pages=$(cat man/queue*.1 | sed -E 's/\\-/-/g')
for command in $("$programs/queue" --help | sed -n '/^Commands:/,/^$/p' | grep -oE '^  [a-z-]+'); do
    count=$((count + 1))
    case $command in
        submit) options queue-submit.1 submit ;;
        list | query | history | show | status | why | wait | logs) options queue-list.1 "$command" ;;
        cancel | signal | hold | release | update | resubmit | give-up | delete) options queue-cancel.1 "$command" ;;
        mail) options queue-mail.1 mail ;;
        keepalive) options queue-keepalive.1 keepalive ;;
        *)
            grep -qE "queue $command([^a-z-]|\$)" <<<"$pages" || wrong "no page in man/ names queue $command"
            [[ ! -e man/queue-$command.1 ]] || options "queue-$command.1" "$command"
            ;;
    esac
done
options queue.1

# Whole tables, as they stand in the crate.
crate=$(sed -nE 's|^//! ?||p' spool/src/lib.rs)
while IFS= read -r -d '' table; do
    count=$((count + 1))
    [[ $crate == *$'\n\n'"$table"$'\n\n'* ]] || wrong "docs/spool.md has a table that spool/src/lib.rs has not, or not any more: ${table%%$'\n'*}"
done < <(sed -n '/^`=` is/,/^## Leases/p' docs/spool.md | awk '/^\|/ { table = table (table == "" ? "" : "\n") $0; next } table != "" { printf "%s%c", table, 0; table = "" }')

((count > 100)) || wrong "only $count things found: is $programs/queue what it should be?"
exit $failed
