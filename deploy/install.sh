#!/usr/bin/env bash
# Installs KneeOA, or upgrades it: an environment beside the old one, and one switch of a link. Nothing is started.
#
#   deploy/install.sh [--prefix DIR] [--data DIR] [--user NAME] [--from WHEEL|DIR] [--extra cpu|gpu|openvino] [--python PROGRAM]
#
# As root it makes a system user without a shell, who owns the data folder and nothing else. As anybody else it
# installs for that person; give --prefix and --data then. Needs Python 3.11 to 3.13 with venv.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
prefix=/opt/kneeoa data=/var/lib/kneeoa user=kneeoa from="$here" extra=cpu python="${PYTHON:-python3}"
KEEP=2 # environments: the new one, and the one to go back to

fail() { echo "install.sh: $*" >&2; exit 2; }

while (($#)); do
  [[ $1 == -h || $1 == --help ]] && { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0; }
  (($# > 1)) || fail "$1 needs a value"
  case "$1" in
    --prefix) prefix="$2" ;;
    --data) data="$2" ;;
    --user) user="$2" ;;
    --from) from="$2" ;;
    --extra) extra="$2" ;;
    --python) python="$2" ;;
    *) fail "there is no option $1" ;;
  esac
  shift 2
done
[[ $prefix == /* && $data == /* ]] || fail "--prefix and --data are absolute paths"
[[ $extra =~ ^(cpu|gpu|openvino)$ ]] || fail "--extra is cpu, gpu or openvino"
[[ -e $from ]] || fail "there is no $from"
"$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null ||
  fail "$python is not Python 3.11 to 3.13 with venv; name another with --python (Debian: apt-get install python3-venv)"

if ((EUID == 0)) && ! id -u "$user" >/dev/null 2>&1; then
  useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$user"
fi

install -d -m 0755 "$prefix"
new="$prefix/venv-$(date -u +%Y%m%dT%H%M%S)-$$"
trap '[[ -e $new/.whole ]] || rm -rf "$new"' EXIT
"$python" -m venv "$new"
"$new/bin/python" -m pip install --quiet --disable-pip-version-check -c "$here/constraints.txt" "${from}[$extra,serve]"
PYTHONSAFEPATH=1 "$new/bin/kneeoa" --version
"$new/bin/python" -m compileall -q "$new/lib" >/dev/null || true # the tree is read-only to the service
touch "$new/.whole"

# The link is renamed into place: whoever starts sees the old environment or the new one, never half of one.
ln -sfn "$new" "$prefix/.current" && mv -Tf "$prefix/.current" "$prefix/current"
find "$prefix" -maxdepth 1 -name 'venv-*' -type d | sort | head -n "-$KEEP" | while read -r old; do rm -rf "$old"; done

install -d -m 0700 "$data"
if ((EUID == 0)); then chown "$user:$user" "$data"; fi

cat <<TOLD
Installed in $prefix/current, data in $data.
  keys:     KNEEOA_DATA=$data $prefix/current/bin/kneeoa keys create --help
  by hand:  $prefix/current/bin/kneeoa serve --data $data
  systemd:  cp $here/deploy/kneeoa.service /etc/systemd/system/ && systemctl enable --now kneeoa
  back:     ln -sfn the other $prefix/venv-... $prefix/current, and start again (see docs/operations.md first)
TOLD
