#!/bin/sh
# Says what a system is that may become a target of rtkit: `WORD VALUE` lines. Changes nothing, and needs no root; `rtkit
# deploy --bootstrap` sends it to the board's shell.
set -u
# Over ssh the folders of administrators' programs are often not there.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s %s\n' "$1" "$2"; }

say user "$(id -un)"
say uid "$(id -u)"
# dpkg's word is that of the programs; the kernel of a 32-bit system may be a 64-bit one.
say architecture "$(dpkg --print-architecture 2>/dev/null || uname -m)"
# shellcheck source=/dev/null # the board's
say system "$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-}")"
if [ -d /run/systemd/system ]; then say systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"; fi
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p')"

if ! command -v sudo >/dev/null; then
    say sudo missing
elif sudo -n true 2>/dev/null; then
    say sudo yes
else
    say sudo password
fi
for program in tar visudo systemd-sysusers systemd-tmpfiles userdel gpasswd flock; do
    command -v "$program" >/dev/null || say lacks "$program"
done

case $(uname -v) in
*PREEMPT_RT*) say realtime yes ;;
*) say realtime "$(cat /sys/kernel/realtime 2>/dev/null || echo no)" ;;
esac
for folder in /usr /etc /opt; do
    case ,$(findmnt -n -o OPTIONS -T "$folder"), in
    *,ro,*) say read-only "$folder" ;;
    esac
    say "free$folder" "$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')"
done

if [ -x /usr/bin/python3 ]; then say python "$(/usr/bin/python3 -V 2>&1)"; fi
if [ -x /usr/bin/node ]; then say node "$(/usr/bin/node -v 2>&1)"; fi

if [ -e /usr/lib/rtnode/installed ]; then
    say installed list
    sed -n 's/^login /login /p' /usr/lib/rtnode/installed
elif [ -e /usr/lib/rtnode/rtnodectl ]; then
    say installed image
fi
