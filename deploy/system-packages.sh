#!/bin/sh
# Install missing system packages, with apt if run as root.
#   system-packages.sh run    packages of the mailbox; without them it starts too, and says what does not work
#   system-packages.sh test   these and the packages of the tests; if one is missing, exit with 1. With the variable
#                             STEUNPUNT_MISSING, write the names of missing packages to this file, and exit with 0:
#                             tests/missing_packages.py then leaves out the tests that need them. In CI, exit with 1
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
  $1: without it, $3."
}

libraries=$(/sbin/ldconfig -p)
library() {  # library NAME: its path, or a path that does not exist
    found=$(echo "$libraries" | sed -n "s|.* => \(.*/$1\)$|\1|p" | head -n 1)
    echo "${found:-/missing/$1}"
}

needs gnupg gpg "nothing can be passed on, and files that a source encrypted with OpenPGP cannot be decrypted"
needs mat2 mat2 "files are not checked for hidden data, and no cleaned copies are made"
needs media-types /etc/mime.types "files of office programs are not checked for hidden data"
needs bubblewrap bwrap "files are not checked for hidden data, no cleaned copies are made, and gpg is not isolated"
needs libpango-1.0-0 "$(library libpango-1.0.so.0)" "reports cannot be made as PDF"
needs libpangoft2-1.0-0 "$(library libpangoft2-1.0.so.0)" "reports cannot be made as PDF"
needs libharfbuzz-subset0 "$(library libharfbuzz-subset.so.0)" "reports cannot be made as PDF"
needs fonts-dejavu-core /usr/share/fonts/truetype/dejavu "reports as PDF have no fonts"
needs poppler-utils pdftocairo "posters cannot be made as SVG, and PDF and office documents are not converted"
office=/usr/lib/libreoffice/program
needs libreoffice-writer-nogui "$office/libswlo.so" "text documents are not converted"
needs libreoffice-calc-nogui "$office/libsclo.so" "spreadsheets are not converted"
needs libreoffice-impress-nogui "$office/libsdlo.so" "presentations are not converted"
needs python3-pil /usr/lib/python3/dist-packages/PIL "photos and other pictures are not converted"
needs uchardet uchardet "texts that are not in Unicode are not converted"
needs ffmpeg ffmpeg "sound and films are not converted and not cleaned"
needs libheif-examples heif-convert "photos of some phones (HEIC) are not converted"

if [ "$1" = test ]; then
    needs chromium-headless-shell chromium-headless-shell "no test runs in a browser"
    needs postgresql /usr/lib/postgresql "no store on a database server is tested"
    needs patroni patroni "no cluster of database servers is tested"
    needs etcd-server etcd "no cluster of database servers is tested"
    needs iproute2 ip "no cluster of database servers is tested"
    needs age age "no test uses the real age program"
    needs minisign minisign "no test uses the real minisign program"
    needs w3m w3m "no test runs in a text browser"
    needs tmux tmux "no test runs in a text browser"
    needs groff-base groff "no manual page is read"
    needs wdutch /usr/share/dict/dutch "the word list is not compared with a Dutch dictionary"
    needs nodejs node "the accessibility of pages is not tested"
    needs npm npm "the accessibility of pages is not tested"
    needs openssh-client ssh "no sync over SSH is tested"
    needs openssh-server /usr/sbin/sshd "no sync over SSH is tested"
    needs strace strace "no power cut is replayed"
    needs faketime faketime "no program runs with a wrong clock"
    needs tor tor-gencert "no onion service is tested"
    needs nginx nginx "no site of nginx is tested"
    needs caddy caddy "no site of Caddy is tested"
    needs haproxy haproxy "no two source servers are tested"
    needs apparmor /sbin/apparmor_parser "no AppArmor profile is tested"
    needs systemd systemd-analyze "no systemd unit is tested"
    needs desktop-file-utils desktop-file-validate "the adviser's menu entry is not tested"
    needs debootstrap debootstrap "no Debian package is installed in a proof"
    needs python3-venv "$(find /usr/lib/python3.* -name ensurepip | grep . || echo /missing)" "no Debian package is built"
fi

may_go_on() {  # may_go_on HOW
    [ "$1" = run ] && return 0
    [ -n "${STEUNPUNT_MISSING:-}" ] && [ -z "${CI:-}" ] || return 1
    echo "$missing" | tr -s ' ' '\n' | grep . >"$STEUNPUNT_MISSING"
}

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "These system packages are missing:$without"
    echo "Install them as root, for example: apt-get install$missing"
    may_go_on "$1"
    exit
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# The tests start their own tor and sshd. So the services of newly installed Debian packages are not started, neither
# now nor at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# $missing is a list of words on purpose.
# shellcheck disable=SC2086
if apt-get -qq update && apt-get -qq install --yes --no-install-recommends $missing >/dev/null; then
    for service in tor:tor.service openssh-server:ssh.service nginx:nginx.service caddy:caddy.service haproxy:haproxy.service \
        postgresql:postgresql.service patroni:patroni.service etcd-server:etcd.service; do
        case " $missing " in
            *" ${service%%:*} "*)
                ! command -v systemctl >/dev/null 2>&1 || systemctl disable --quiet "${service#*:}" >/dev/null 2>&1 || true ;;
        esac
    done
    exit 0
fi
echo "These system packages could not be installed:$without"
may_go_on "$1"
