# Which release runs: part of rtnodectl, which sources this file. A release is a folder releases/ID of files that its
# SHA256SUMS lists, and ID is the sha256 of that list. `current` and `previous` are links that are swapped by rename.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # opt, releases, current and program are rtnodectl's, sent and link too, applied and order apply.sh's, went_back watch.sh's

# A release that is active and not confirmed: `ID PREVIOUS WHO`. At boot, or when its time is up, PREVIOUS (- for none)
# comes back.
pending=$opt/pending

# Where links are made; mv(1) puts each into its place by rename.
next=$opt/.next

# Makes `current` point to a release, and `previous` to another, unless that is none. The second first: a power cut between
# them leaves a board whose previous release is the one that it is on.
point() {
    [ -d "$next" ] || mkdir "$next"
    set -- "$1" "${2:-}" "$next/current"
    ln -sfn "releases/$1" "$next/current"
    if [ -n "$2" ]; then
        ln -sfn "releases/$2" "$next/previous"
        set -- "$1" "$2" "$next/previous" "$next/current"
    fi
    shift 2
    mv -t "$opt" -- "$@"
}

# Sets differing to the nodes with files that differ from those of another release, each between blanks.
differing_nodes() {
    differing=' '
    read_text "$releases/$1/SHA256SUMS"
    while IFS= read -r line; do
        case $newline$had in *"$newline$line$newline"*) continue ;; esac
        case $line in *'  nodes/'*) ;; *) continue ;; esac
        name=${line##*/}
        name=${name%.*}
        case $differing in *" $name "*) ;; *) differing="$differing$name " ;; esac
    done <"$releases/$2/SHA256SUMS"
}

# Makes a release current, and another one previous; restarts the nodes whose files differ from those of the release that was.
switch_to() {
    # Not to be left half-way by a link that breaks. What was is not read from the disk: after a switch that was, it would
    # be the same, and nothing would restart.
    trap '' HUP INT TERM PIPE
    to=$1 was=$2
    differing_nodes "$was" "$to"
    set --
    for node in $differing; do set -- "$@" "rtnode@$node.service"; done
    # One that failed too often is forgiven: it is another one now. Meanwhile, since systemd takes a slow board long.
    [ "$#" = 0 ] || systemctl reset-failed -- "$@" 2>/dev/null &
    forgiven=$!
    # A board that had none before has no previous one now.
    point "$to" "$was"
    sync -f "$opt" || complain "$opt cannot be written to the disk"
    # A node that it refuses is said, and does not keep the others from running.
    apply 0 || :
    wait "$forgiven" || :
    set --
    # What a node comes after is asked for before it: then systemd, too, keeps the order. A cycle is not worth a word here.
    sorted=$differing
    case $differing in ' '*' '*' ') sorted=$(printf '%s' "$order" | tsort 2>/dev/null) || : ;; esac
    for node in $sorted; do
        case $applied in *" $node "*) ;; *) continue ;; esac
        case $differing in *" $node "*) set -- "$@" "rtnode@$node.service" ;; esac
    done
    [ "$#" = 0 ] || systemctl restart --no-block -- "$@" || complain "a node does not restart"
    if [ -z "$was" ] || ! others_run; then systemctl start --no-block rtnode.target; fi
}

# True when each node that is not restarted runs: then there is nothing to start, and systemd is not asked, which takes a
# slow board long. A unit that runs has a control group.
others_run() {
    for node in $applied; do
        case $differing in *" $node "*) continue ;; esac
        [ -d "$root/sys/fs/cgroup/system.slice/system-rtnode.slice/rtnode@$node.service" ] || return 1
    done
}

read_pending() {
    pending_id='' pending_previous='' pending_who=''
    [ -f "$pending" ] || return 0
    read -r pending_id pending_previous pending_who <"$pending" || :
}

# Whether there is something to go back to; says what happens.
may_return() {
    if [ -n "$pending_previous" ] && [ -d "$releases/$pending_previous" ]; then
        printf 'rtnodectl: %s was not confirmed%s; going back to %s\n' "$pending_id" "$1" "$pending_previous" >&2 || :
    elif [ "$pending_previous" = - ]; then
        printf 'rtnodectl: %s was not confirmed%s, and stays: there was none before\n' "$pending_id" "$1" >&2 || :
        # At boot nothing is wrong; whoever asked for the way back is told that there is none.
        [ "$verb" = apply ] || problems=1
        return 1
    else
        complain "$pending_id was not confirmed$1, and stays: the previous release is gone"
        return 1
    fi
}

forget_pending() {
    rm -f "$pending"
    sync -f "$opt"
    systemctl stop rtnode-revert.timer 2>/dev/null || :
}

need_seconds() {
    case $1 in
    '' | *[!0-9]* | ?????* | 0*) usage ;;
    esac
}

# Leads back to the previous release when $seconds are over. Counted on the clock that nobody sets (systemd.timer(5),
# OnActiveSec=). What fails is tried again.
start_timer() {
    # Of one that was killed in the middle.
    [ ! -e "$root/run/systemd/transient/rtnode-revert.timer" ] || systemctl stop rtnode-revert.timer 2>/dev/null || :
    # It is there as long as systemd remembers one that failed.
    [ ! -e "$root/run/systemd/transient/rtnode-revert.service" ] ||
        systemctl reset-failed rtnode-revert.service rtnode-revert.timer 2>/dev/null || :
    systemd-run --quiet --unit=rtnode-revert --on-active="${seconds}s" --timer-property=AccuracySec=100ms \
        --property=Restart=on-failure --property=RestartSec=5s "$program" revert "$id"
}

activate() {
    id=$1 seconds=$2
    need_id "$id"
    need_seconds "$seconds"
    take_turn
    [ -d "$releases/$id" ] || refuse "$id is not here; send it first"
    read_pending
    [ -z "$pending_id" ] || refuse "${pending_who:-somebody} ($(date -u -r "$pending" +%H:%M:%S) UTC)" \
        "activated $pending_id and has not confirmed it yet"
    linked current
    was=$link
    [ "$was" != "$id" ] || refuse "$id is active already"
    stage_record "$id"
    [ ! -e "$went_back" ] || rm -f "$went_back"
    # A link that breaks from here on leaves nothing half done.
    trap '' HUP INT TERM PIPE
    # Before anything changes there are two ways back: the timer's, and after a power cut the file's. Each takes its time.
    start_timer &
    timer=$! written=1
    {
        printf '%s %s %s\n' "$id" "${was:--}" "${SUDO_USER:-root}" >"$pending.new" && sync -f "$opt" &&
            mv -T "$pending.new" "$pending" && sync -f "$opt"
    } || written=0
    wait "$timer" || timer=''
    if [ "$written" = 0 ]; then
        systemctl stop rtnode-revert.timer 2>/dev/null || :
        rm -f "$pending" 2>/dev/null || :
        refuse "$opt cannot be written"
    fi
    if [ -z "$timer" ]; then
        rm -f "$pending"
        refuse "systemd-run: nothing would lead back to the previous release"
    fi
    keep_record "$id"
    switch_to "$id" "$was"
}

confirm() {
    need_id "$1"
    take_turn
    read_pending
    [ "$pending_id" = "$1" ] || refuse "$1 does not wait to be confirmed: it went back, or was confirmed already"
    forget_pending
    start_watching "$1"
    # It is confirmed, whatever becomes of the others.
    prune || printf 'rtnodectl: older releases cannot be removed\n' >&2 || :
}

# From a deploy that gave up, from the timer, and at boot. Says `stays` of a release that was confirmed
# meanwhile, and nothing where there is nothing to lead back from.
revert() {
    need_id "$1"
    take_turn
    go_back "$1"
    # One that was confirmed meanwhile stays, and who asked says so.
    linked current
    if [ "$link" = "$1" ] && ! [ -e "$pending" ]; then echo stays; fi
}

go_back() {
    read_pending
    [ -n "$pending_id" ] && [ "$pending_id" = "$1" ] || return 0
    # Whoever asked may be gone: that is no reason to stop in the middle.
    trap '' HUP INT TERM PIPE
    if may_return ''; then
        note_return "$pending_id" "it was not confirmed"
        switch_to "$pending_previous" "$pending_id"
    fi
    forget_pending
}

# At boot, before anything runs: only the links change. On a disk that cannot be written the nodes run as they are.
settle() {
    read_pending
    [ -n "$pending_id" ] || return 0
    if may_return ' before the board went down'; then
        if ! point "$pending_previous" "$pending_id"; then
            complain "$opt cannot be written: $pending_id runs on"
            return 0
        fi
        note_return "$pending_id" "it was not confirmed before the board went down"
    fi
    { rm -f "$pending" && sync -f "$opt"; } || complain "$opt cannot be written"
}

rollback() {
    id=$1
    take_turn
    read_pending
    if [ -n "$pending_id" ]; then
        [ -z "$id" ] || [ "$id" = "$pending_previous" ] || refuse "$pending_id is not confirmed yet; revert it first"
        go_back "$pending_id"
        return
    fi
    if [ -z "$id" ]; then
        linked previous
        id=$link
    fi
    [ -n "$id" ] || refuse "there is no previous release"
    need_id "$id"
    [ -d "$releases/$id" ] || refuse "$id is not here"
    linked current
    was=$link
    [ "$was" != "$id" ] || refuse "$id is active already"
    stage_record "$id"
    [ -z "$sent" ] || sync -f "$opt" || refuse "$opt cannot be written"
    keep_record "$id"
    switch_to "$id" "$was"
}
