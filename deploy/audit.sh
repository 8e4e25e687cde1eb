#!/bin/sh
# Check the pinned dependencies for public security advisories: audit.sh PIP-AUDIT REQUIREMENTS
# Exit 1 if there is an advisory. If no source of advisories can be reached, print that and exit 0.
set -eu

output=$(mktemp)
trap 'rm -f "$output"' EXIT
if "$1" --disable-pip --require-hashes --progress-spinner off --timeout 20 --requirement "$2" >"$output" 2>&1; then
    # pip-audit reports success even if its source knows none of the packages. That is not an audit.
    unknown=$(grep -c 'could not be audited' "$output" || true)
    if [ "$unknown" -eq 0 ]; then
        echo "pip-audit: no known advisory against $2"
    else
        echo "pip-audit: $unknown packages of $2 were NOT audited, because its source does not know them."
    fi
elif grep -q '^Found [0-9]' "$output"; then
    cat "$output"
    exit 1
else
    echo "pip-audit: $2 was NOT audited, because no source of advisories could be reached."
fi
