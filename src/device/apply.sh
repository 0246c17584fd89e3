# What systemd is told of the active release's nodes: part of rtnodectl, which sources this file. A release carries no
# unit files; all it may choose is in the vocabulary of drop_in, where every value is checked.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root, current, newline and problems are rtnodectl's

units=$root/run/systemd/system
allowed_groups=$root/usr/lib/rtnode/groups

# True for an integer with a unit that systemd.time(7) has too.
valid_time() {
    case $1 in
    *us) digits=${1%us} ;;
    *ms) digits=${1%ms} ;;
    *s) digits=${1%s} ;;
    *) return 1 ;;
    esac
    case $digits in
    '' | *[!0-9]* | ??????????????*) return 1 ;;
    esac
}

# Says that a value of $conf is not in the vocabulary; drop_in returns 1 then.
bad_value() {
    complain "$conf: $*"
    bad=1
}

# The groups that the image grants, each between blanks.
granted_groups() {
    granted=' '
    { while read -r group; do granted="$granted$group "; done <"$allowed_groups"; } 2>/dev/null || :
}

# Sets text to the drop-in of one node; says what is wrong and returns 1 when a value is not in the vocabulary.
drop_in() {
    node=$1 conf=$2
    restart='' groups='' after='' notify='' watchdog='' bad=0
    while read -r word value || [ -n "$word" ]; do
        case $word in
        restart)
            case $value in
            no | on-failure | always) restart=$value ;;
            *) bad_value "restart '$value' is none of no, on-failure, always" ;;
            esac
            ;;
        notify) notify=yes ;;
        watchdog)
            if valid_time "$value"; then
                watchdog=$value
            else
                bad_value "watchdog '$value' is not a time: an integer with us, ms or s"
            fi
            ;;
        groups) groups="$groups,$value" ;;
        after) after="$after,$value" ;;
        esac
    done <"$conf"
    text="# Made by rtnodectl from nodes/${conf##*/}$newline"
    set -f
    IFS=', '
    [ -z "$after" ] || text="${text}[Unit]$newline"
    for other in $after; do
        if ! valid_name "$other"; then
            [ -z "$other" ] || bad_value "after '$other' is not a node's name"
        else
            text="${text}After=rtnode@$other.service$newline"
            order="$order$other $node$newline"
        fi
    done
    text="${text}[Service]$newline"
    [ -z "$notify" ] || text="${text}Type=notify$newline"
    [ -z "$watchdog" ] || text="${text}WatchdogSec=$watchdog$newline"
    [ -z "$restart" ] || text="${text}Restart=$restart$newline"
    for group in $groups; do
        case "$granted" in
        *" $group "*) text="${text}SupplementaryGroups=$group$newline" ;;
        *) [ -z "$group" ] || bad_value "group '$group' is not among those that the image grants ($allowed_groups)" ;;
        esac
    done
    set +f
    unset IFS
    return "$bad"
}

# Sets had to what a file has, without a program for it: nearly always it is what it is to be.
read_text() {
    had=''
    { while IFS= read -r line; do had="$had$line$newline"; done <"$1"; } 2>/dev/null || :
}

apply_node() {
    drop_in "$1" "$current/nodes/$1.conf" || return 0
    file=$units/rtnode@$1.service.d/50-node.conf
    read_text "$file"
    if [ "$text" != "$had" ]; then
        made=$units/.rtnode-node.new
        # By rename: whoever reads it sees the old or the new one.
        if ! { mkdir -p "${file%/*}" && printf '%s' "$text" >"$made" && mv "$made" "$file"; }; then
            complain "$file cannot be written"
            return 0
        fi
        changed=1
    fi
    link=$units/rtnode.target.wants/rtnode@$1.service
    if ! [ -L "$link" ]; then
        [ -d "${link%/*}" ] || mkdir "${link%/*}"
        ln -sfn /usr/lib/systemd/system/rtnode@.service "$link"
        changed=1
    fi
    applied="$applied$1 "
    order="$order$1 $1$newline"
}

# Stops and forgets nodes that are no longer there, or were refused.
remove_others() {
    for path in "$units"/rtnode@*.service.d "$units"/rtnode.target.wants/rtnode@*.service; do
        [ -e "$path" ] || [ -L "$path" ] || continue
        node=${path##*/rtnode@}
        node=${node%.d}
        node=${node%.service}
        case $applied in
        *" $node "*) continue ;;
        esac
        systemctl stop -- "rtnode@$node.service" || complain "rtnode@$node.service does not stop"
        rm -rf "$path"
        changed=1
    done
}

# Sets applied (the nodes that systemd now knows, each between blanks) and order (for tsort(1): what comes before what).
apply() {
    start=$1
    changed=0
    applied=' ' order=''
    [ -d "$units" ] || mkdir -p "$units"
    granted_groups
    [ -d "$current/nodes" ] || complain "$current/nodes: there is no active release"
    for conf in "$current"/nodes/*.conf; do
        [ -f "$conf" ] || continue
        node=${conf##*/}
        node=${node%.conf}
        if valid_name "$node"; then
            apply_node "$node"
        else
            complain "$current/nodes/$node.conf: a node's name is 1 to 63 of a-z, 0-9 and -, and does not start with -"
        fi
    done
    remove_others
    [ "$changed" = 0 ] || systemctl daemon-reload
    # At boot rtnode.target's own job is queued already, and was made before its wants existed: asking again adds them.
    # Not to be waited for: the nodes are ordered after this.
    [ "$start" = 0 ] || systemctl start --no-block rtnode.target
    return "$problems"
}
