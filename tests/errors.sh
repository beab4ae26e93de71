#!/bin/bash
# Whether each test that docs/errors.md names is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
count=0
while read -r name; do
    count=$((count + 1))
    if ! grep -rqE "fn $name\b" --include='*.rs' tests queued queue-cli spool; then
        echo "docs/errors.md names $name, and there is no such test" >&2
        missing=1
    fi
done < <(sed -n 's/.*| `\([a-z0-9_]*\)` |$/\1/p' docs/errors.md | sort -u)
((count > 20)) || { echo "docs/errors.md: only $count tests found" >&2; exit 1; }
exit $missing
