#!/bin/sh
# Hold the locked dependencies against public advisories: audit.sh PIP-AUDIT REQUIREMENTS
# Exit 1 when an advisory stands. Where no advisory source can be reached, say so and exit 0.
set -eu

said=$(mktemp)
trap 'rm -f "$said"' EXIT
if "$1" --disable-pip --require-hashes --progress-spinner off --timeout 20 --requirement "$2" >"$said" 2>&1; then
    # pip-audit calls it a success when its source knows none of the packages: that is not an audit.
    unknown=$(grep -c 'could not be audited' "$said" || true)
    if [ "$unknown" -eq 0 ]; then
        echo "pip-audit: no known advisory against $2"
    else
        echo "pip-audit: $unknown packages of $2 were NOT audited: its source does not know them."
    fi
elif grep -q '^Found [0-9]' "$said"; then
    cat "$said"
    exit 1
else
    echo "pip-audit: $2 was NOT audited: no advisory source could be reached."
fi
