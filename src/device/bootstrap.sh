#!/bin/sh
# Makes a system with systemd a target of rtkit, and takes all of that away again. `rtkit deploy --bootstrap` and
# `--remove` send it to the board and run it there as root.
#
#   bootstrap.sh install LOGIN...   put what is in files/, beside this script, in its place; LOGINs are who may deploy
#   bootstrap.sh remove             nodes, releases, files, users and groups
#
# /usr/lib/rtnode/installed has what is there because of us, each before it is there, so that the next run can finish or
# undo one that was killed: `file PATH`, `folder PATH`, `user NAME`, `group NAME`, `member USER GROUP`, `login USER`, and
# `whole` when nothing is missing. Prints a line for each thing that it changed.
# Exit status: 0 done; 1 something was refused or failed, and was said on standard error.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

# Put before every path. For tests; sudo does not pass it on.
root=${RTNODE_ROOT:-}
files=$(dirname "$(readlink -f "$0")")/files
list=$root/usr/lib/rtnode/installed
opt=$root/opt/rtnode

refuse() {
    printf '%s\n' "$*" >&2
    exit 1
}

# rtnodectl's own lock: no deploy is at work meanwhile.
take_turn() {
    (umask 077 && true >>"$root/run/rtnodectl.lock")
    exec 9>>"$root/run/rtnodectl.lock"
    flock --timeout 60 9 || refuse "a deploy has been at work for a minute"
}

listed() { grep -qxF -e "$1" "$list" 2>/dev/null; }

# The arguments of all lines of a kind.
lines_of() { sed -n "s/^$1 //p" "$list"; }

# The list from standard input, by rename, each line once.
write_list() {
    sort -u >"$list.new"
    sync "$list.new"
    mv -T "$list.new" "$list"
    sync -f "$list"
}

# ---- install ----

# What is to be there, below files/: absolute paths without files/ itself, sorted.
wanted() { (cd "$files" && find . -mindepth 1 "$@" | sed 's/^\.//' | sort); }

# Refuses before anything is changed.
check() {
    wanted ! -type d | while read -r path; do
        if [ -e "$root$path" ] || [ -L "$root$path" ]; then
            listed "file $path" || refuse "$path is there already and is not rtkit's: it would be overwritten"
        fi
    done
    if ! [ -e "$list" ] && [ -n "$(find "$opt" -mindepth 1 -maxdepth 1 ! -name lost+found 2>/dev/null)" ]; then
        refuse "/opt/rtnode is there already and is not empty"
    fi
    for rule in "$files"/etc/sudoers.d/*; do
        said=$(visudo -cqf "$rule" 2>&1) || refuse "the rule for sudo is not valid: $said"
    done
}

# The users, groups and memberships (sysusers.d(5)) that are not there yet.
missing_accounts() {
    cat "$files"/usr/lib/sysusers.d/*.conf | while read -r type name value _; do
        case $type in
        u)
            getent passwd "$name" >/dev/null || echo "user $name"
            getent group "$name" >/dev/null || echo "group $name"
            ;;
        g) getent group "$name" >/dev/null || echo "group $name" ;;
        m) id -nG "$name" 2>/dev/null | tr ' ' '\n' | grep -qxF -e "$value" || echo "member $name $value" ;;
        esac
    done
}

missing_folders() {
    wanted -type d | while read -r path; do
        [ -d "$root$path" ] || echo "folder $path"
    done
}

same() {
    if [ -L "$1" ]; then
        [ -L "$2" ] && [ "$(readlink "$1")" = "$(readlink "$2")" ]
    else
        cmp -s "$1" "$2" && [ "$(stat -c %a "$1")" = "$(stat -c %a "$2")" ]
    fi
}

# By rename: whoever reads it sees all of the old or of the new one.
put() {
    from=$files$1 to=$root$1
    ! same "$from" "$to" || return 0
    rm -f "$to.rtnode-new"
    cp -P "$from" "$to.rtnode-new"
    [ -n "$root" ] || chown -h root:root "$to.rtnode-new"
    if ! [ -L "$from" ]; then
        chmod "$(stat -c %a "$from")" "$to.rtnode-new"
        sync "$to.rtnode-new"
    fi
    mv -T "$to.rtnode-new" "$to"
    echo "put $1"
}

# Makes the running system see its files.
apply() {
    (cd "$files/usr/lib/sysusers.d" && systemd-sysusers -- *.conf)
    (cd "$files/usr/lib/tmpfiles.d" && systemd-tmpfiles --create -- *.conf)
    systemctl daemon-reload
    systemctl restart systemd-sysctl.service
    reload_devices
    systemctl restart rt-tune.service
}

# Owners and modes of devices that are there already. A container may have no udev.
reload_devices() {
    command -v udevadm >/dev/null && [ -e "$root/run/udev/control" ] || return 0
    udevadm control --reload
    udevadm trigger --action=add --subsystem-match=misc --subsystem-match=gpio --subsystem-match=i2c \
        --subsystem-match=i2c-dev --subsystem-match=spidev
    udevadm settle --timeout=30 || :
}

install() {
    take_turn
    check
    mkdir -p "${list%/*}"
    accounts=$(missing_accounts)
    {
        if [ -e "$list" ]; then grep -vx whole "$list" || :; fi
        echo 'folder /usr/lib/rtnode'
        missing_folders
        wanted ! -type d | sed 's/^/file /'
        printf '%s' "${accounts:+$accounts
}"
        for login; do echo "login $login"; done
    } | sort -u >"$list.wanted"
    if listed whole && [ -z "$accounts" ] && ! grep -qvxF -f "$list" "$list.wanted" && all_same; then
        rm "$list.wanted"
        return
    fi
    write_list <"$list.wanted"
    rm "$list.wanted"
    wanted -type d | while read -r path; do mkdir -p "$root$path"; done
    wanted ! -type d | while read -r path; do put "$path"; done
    # What an older rtkit had besides.
    lines_of file | while read -r path; do is_wanted "$path" || remove_file "$path"; done
    sync -f "$root/usr"
    sync -f "$root/etc"
    apply
    {
        wanted ! -type d | sed 's/^/file /'
        grep -v '^file ' "$list"
        echo whole
    } | write_list
    echo whole
}

is_wanted() { [ -e "$files$1" ] || [ -L "$files$1" ]; }

all_same() {
    wanted ! -type d | while read -r path; do same "$files$path" "$root$path" || exit 1; done &&
        lines_of file | while read -r path; do is_wanted "$path" || exit 1; done
}

# ---- remove ----

remove_file() {
    rm -f "$root$1.rtnode-new"
    if [ -e "$root$1" ] || [ -L "$root$1" ]; then
        rm -f "$root$1"
        echo "removed $1"
    fi
}

stop_all() {
    for units in rtnode-revert.timer rtnode-revert.service rtnode.target 'rtnode@*.service' rtnode-apply.service \
        rt-tune.service; do
        systemctl stop -- "$units" 2>/dev/null || :
        systemctl reset-failed -- "$units" 2>/dev/null || :
    done
    if systemctl --quiet is-active -- 'rtnode@*.service'; then refuse "nodes do not stop"; fi
}

remove_accounts() {
    lines_of member | while read -r user group; do
        gpasswd -d "$user" "$group" >/dev/null 2>&1 || :
    done
    for kind in user group; do
        case $kind in user) database=passwd ;; *) database=group ;; esac
        lines_of "$kind" | while read -r name; do
            getent "$database" "$name" >/dev/null || continue
            "${kind}del" "$name" || refuse "the $kind $name cannot be removed"
            echo "removed $kind $name"
        done
    done
}

# Innermost first; a folder in which others have put something stays.
remove_folders() {
    lines_of folder | sort -r | while read -r path; do
        # The list is in that one.
        [ "$path" != /usr/lib/rtnode ] || continue
        if [ -d "$root$path" ]; then rmdir --ignore-fail-on-non-empty "$root$path"; fi
    done
}

remove() {
    take_turn
    if [ -e "$list" ]; then
        stop_all
        # From here on it is no longer whole.
        grep -vx whole "$list" >"$list.rest" || :
        write_list <"$list.rest"
        rm -f "$list.rest"
        lines_of file | while read -r path; do remove_file "$path"; done
        if [ -d "$opt" ]; then
            find "$opt" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf -- {} +
            echo "removed /opt/rtnode"
        fi
        rm -rf "$root/run/rtnode" "$root"/run/systemd/system/rtnode@*.service.d \
            "$root"/run/systemd/system/.rtnode-*.new "$root/run/systemd/system/rtnode.target.wants"
        systemctl daemon-reload
        # Devices go back to root before their groups do.
        reload_devices
        remove_accounts
        remove_folders
        sync -f "$root/usr"
        rm -f "$list"
    elif [ -e "$root/usr/lib/rtnode/rtnodectl" ]; then
        refuse "this is an image of rtkit, or somebody put rtkit's programs here by hand: there is no list of what to remove"
    fi
    rm -f "$list".*
    if [ -d "${list%/*}" ]; then rmdir --ignore-fail-on-non-empty "${list%/*}"; fi
    rm -f "$root/run/rtnodectl.lock"
}

case "${1:-} $#" in
'install '*)
    shift
    install "$@"
    ;;
'remove 1') remove ;;
*)
    echo 'usage: bootstrap.sh install LOGIN... | remove' >&2
    exit 2
    ;;
esac
