# After a release was confirmed: part of rtnodectl, which sources this file. Who deploys looks for a second or two, so that
# a changed line runs at once; a node that dies of its tenth second is the board's own to find.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # root, opt, releases, program and newline are rtnodectl's, units_shown is status.sh's

# Seconds for which a confirmed release is looked at, and from one look to the next. systemd counts what is in between, and
# a look takes a slow board as long as several programs do.
watched=30 pause=3

# What the board went back from by itself: `ID SECONDS WHY`, seconds since 1970. The next activation forgets it.
went_back=$opt/went-back

# Notes why the board leaves a release. No reason to stay on it when that cannot be written.
note_return() {
    { printf '%s %s %s\n' "$1" "$(date +%s)" "$2" >"$went_back.new" && mv -T "$went_back.new" "$went_back"; } || :
}

put_went_back() {
    back_id='' back_time='' back_why=''
    { read -r back_id back_time back_why <"$went_back"; } 2>/dev/null || :
    printf '"wentBack":'
    case $back_time in
    '' | *[!0-9]*) back_id='' ;;
    esac
    if ! valid_id "$back_id"; then
        printf null
        return
    fi
    printf '{"release":"%s","time":%s,"reason":' "$back_id" "$back_time"
    json_string "$back_why"
    printf '}'
}

stop_watching() {
    [ -e "$root/run/systemd/transient/rtnode-watch.service" ] || return 0
    systemctl stop rtnode-watch.service 2>/dev/null || :
}

start_watching() {
    stop_watching
    systemd-run --quiet --collect --unit=rtnode-watch "$program" watch "$1" ||
        printf 'rtnodectl: systemd-run: %s stays, whatever becomes of its nodes\n' "$1" >&2
}

# Goes back to the previous release when a node of this one fails or is started again by systemd. Ends by itself when another
# release is current.
watch() {
    id=$1
    need_id "$id"
    before=''
    for _ in $(seq $((watched / pause))); do
        linked current
        [ "$link" = "$id" ] || return 0
        names=$(node_names)
        [ -n "$names" ] || return 0
        ask_systemd
        find_fault
        if [ -n "$fault" ]; then
            leave "$id" "$fault"
            return
        fi
        sleep "$pause"
    done
}

# Sets fault to what is wrong with a node, or to nothing, and before to `NAME RESTARTS` of each for the next time. One that
# somebody started again is counted from 0 by systemd.
find_fault() {
    fault='' now=$newline
    while read -r name state _ restarts reason; do
        now="$now$name $restarts$newline"
        least=${before#*"$newline$name "}
        least=${least%%"$newline"*}
        if [ "$state" = failed ]; then
            fault="$name failed${reason:+: $reason}"
        elif [ -n "$before" ] && is_integer "$least" && [ "$restarts" -gt "$least" ]; then
            fault="$name ended and was started again${reason:+: $reason}"
        fi
    done <<end
${units_shown%"$newline"}
end
    before=$now
}

leave() {
    take_turn
    read_pending
    linked previous
    to=$link
    linked current
    # Somebody was faster.
    [ -z "$pending_id" ] && [ "$link" = "$1" ] || return 0
    if [ -z "$to" ] || [ "$to" = "$1" ]; then
        complain "$2; $1 stays: there is no previous release"
        return
    fi
    printf 'rtnodectl: %s; going back to %s\n' "$2" "$to" >&2
    note_return "$1" "$2"
    switch_to "$to" "$1"
}
