#!/bin/sh
# Install the system packages that are missing: through apt when root.
#   system-packages.sh run    what the mailbox needs; without them it starts all the same, and says what does not work
#   system-packages.sh test   that, and what the tests need; without them it stops
set -eu

missing=""
without=""
needs() {  # needs PACKAGE FILE-OR-COMMAND WHAT-DOES-NOT-WORK-WITHOUT
    case $2 in
        /*) [ ! -e "$2" ] || return 0 ;;
        *) ! command -v "$2" >/dev/null 2>&1 || return 0 ;;
    esac
    missing="$missing $1"
    without="$without
  $1: without it $3."
}

libraries=$(/sbin/ldconfig -p)
library() {  # library NAME: where it lies, or a path that does not exist
    found=$(echo "$libraries" | sed -n "s|.* => \(.*/$1\)$|\1|p" | head -n 1)
    echo "${found:-/missing/$1}"
}

needs gnupg gpg "nothing can be passed on, and what a source sealed with OpenPGP is not opened"
needs mat2 mat2 "files are not looked into, and no cleaned copies are made"
needs media-types /etc/mime.types "files of office programs are not looked into"
needs bubblewrap bwrap "files are not looked into, and no cleaned copies are made"
needs libpango-1.0-0 "$(library libpango-1.0.so.0)" "no report is made as PDF"
needs libpangoft2-1.0-0 "$(library libpangoft2-1.0.so.0)" "no report is made as PDF"
needs libharfbuzz-subset0 "$(library libharfbuzz-subset.so.0)" "no report is made as PDF"
needs fonts-dejavu-core /usr/share/fonts/truetype/dejavu "a report as PDF has no letters of its own"

if [ "$1" = test ]; then
    needs chromium-headless-shell chromium-headless-shell "no browser is tested"
    needs age age "no file of the real age is tested"
    needs minisign minisign "no signature is checked by the real minisign"
    needs w3m w3m "no page is tested in a browser for text"
    needs tmux tmux "no page is tested in a browser for text"
    needs wdutch /usr/share/dict/dutch "the list of words is not compared with Dutch"
    needs poppler-utils pdftotext "no report as PDF is read back"
    needs nodejs node "pages are not tested for accessibility"
    needs npm npm "pages are not tested for accessibility"
    needs openssh-client ssh "no sync over SSH is tested"
    needs openssh-server /usr/sbin/sshd "no sync over SSH is tested"
    needs tor tor-gencert "no onion service is tested"
fi

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "These system packages are missing:$without"
    echo "Install them as root, for example: apt-get install$missing"
    [ "$1" = run ]
    exit
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# The tests start a tor and an sshd of their own: Debian's services are neither started now nor, where they were not
# here before, at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# $missing is a list on purpose.
# shellcheck disable=SC2086
if apt-get -qq update && apt-get -qq install --yes --no-install-recommends $missing >/dev/null; then
    for service in tor:tor.service openssh-server:ssh.service; do
        case " $missing " in
            *" ${service%%:*} "*)
                ! command -v systemctl >/dev/null 2>&1 || systemctl disable --quiet "${service#*:}" >/dev/null 2>&1 || true ;;
        esac
    done
    exit 0
fi
echo "These system packages could not be installed:$without"
[ "$1" = run ]
