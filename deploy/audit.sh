#!/bin/sh
# Check the pinned dependencies for public security advisories: audit.sh PIP-AUDIT REQUIREMENTS
# Exit 1 if there is an advisory. If nothing was audited, print that and exit 0, because a machine without a source of
# advisories must be able to run the tests. The sentence is also in the file $STEUNPUNT_NOT_AUDITED.
set -eu

not_audited() {
    echo "NOT AUDITED: $1" | tee "${STEUNPUNT_NOT_AUDITED:-/dev/null}"
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
if "$1" --disable-pip --require-hashes --progress-spinner off --timeout 20 --requirement "$2" >"$output" 2>&1; then
    # pip-audit reports success even if its source knows none of the packages. That is not an audit.
    unknown=$(grep -c 'could not be audited' "$output" || true)
    if [ "$unknown" -eq 0 ]; then
        echo "pip-audit: no known advisory against $2"
    else
        not_audited "pip-audit's source of advisories does not know $unknown packages of $2."
    fi
elif grep -q '^Found [0-9]' "$output"; then
    cat "$output"
    exit 1
else
    not_audited "pip-audit could not check $2. Perhaps it reached no source of advisories."
fi
