# Releases on the board: part of rtnodectl, which sources this file. A release is a folder releases/ID of files that its
# SHA256SUMS lists, and ID is the sha256 of that list. What is here is whole: a release appears by rename, when its files
# were checked and are on the disk. `current` and `previous` are links that are swapped by rename.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # opt, root and current are rtnodectl's

releases=$opt/releases
# A release that is active and not confirmed: `ID PREVIOUS WHO`. At boot, or when its time is up, PREVIOUS comes back.
pending=$opt/pending

# Releases that stay besides the current, the previous and a pending one.
kept=3

valid_id() {
    case $1 in
    *[!0-9a-f]*) return 1 ;;
    esac
    [ ${#1} -eq 64 ]
}

need_id() {
    if ! valid_id "$1"; then
        complain "'$1' is no release: an id is 64 hexadecimal digits"
        exit 2
    fi
}

# The id that a link points to, or nothing.
linked() {
    link=$(readlink "$opt/$1") || return 0
    printf '%s' "${link##*/}"
}

digest_of() {
    set -- "$(sha256sum <"$1")"
    printf '%s' "${1%% *}"
}

# ---- receive ----

# The digests of all files of all releases.
blobs() {
    for sums in "$releases"/*/SHA256SUMS; do
        if [ -f "$sums" ]; then cut -c 1-64 "$sums"; fi
    done | sort -u
}

refuse() {
    complain "$*"
    exit 1
}

# Copies exactly this many bytes of standard input to a file.
take_bytes() {
    case $1 in
    '' | *[!0-9]* | ????????????*) refuse "'$1' is no size" ;;
    esac
    head -c "$1" >"$2" || refuse "$2 cannot be written"
    [ "$(stat -c %s "$2")" -eq "$1" ] || refuse "the connection ended in the middle"
}

# What the sender says, into $new: no name of it is used before the list of names was checked.
take_stream() {
    while :; do
        IFS=' ' read -r word first second || refuse "receive: the connection ended in the middle"
        case $word in
        SUMS) take_bytes "$first" "$new/SHA256SUMS" ;;
        BLOB)
            need_id "$first"
            take_bytes "$second" "$new/blobs/$first"
            ;;
        END) return ;;
        *) refuse "receive: what was sent is no release" ;;
        esac
    done
}

# The list may name manifest.json and files of nodes, each once, and nothing else.
check_list() {
    sums=$new/SHA256SUMS
    if ! [ -f "$sums" ] || [ "$(digest_of "$sums")" != "$1" ]; then
        refuse "receive: the list of files is not that of $1"
    fi
    line='^[0-9a-f]{64}  (manifest\.json|nodes/[a-z0-9][a-z0-9-]{0,62}\.(conf|pyz|mjs|bin))$'
    if grep -Evq "$line" "$sums" || ! grep -q '  manifest\.json$' "$sums"; then
        refuse "receive: the list of files names what does not belong into a release"
    fi
    [ -z "$(cut -c 67- "$sums" | sort | uniq -d)" ] || refuse "receive: the list of files names a file twice"
}

# Puts a file with this digest at a place: one that came, or one that another release has.
place() {
    digest=$1 to=$2
    if [ -f "$new/blobs/$digest" ]; then
        ln "$new/blobs/$digest" "$to"
        return
    fi
    for sums in "$releases"/*/SHA256SUMS; do
        name=$(sed -n "s/^$digest  //p" "$sums" | head -n 1)
        if [ -n "$name" ] && ln "${sums%/*}/$name" "$to" 2>/dev/null; then return; fi
    done
    refuse "receive: $digest was not sent, and no release here has it"
}

receive() {
    id=$1
    need_id "$id"
    take_turn
    [ ! -d "$releases/$id" ] || return 0
    new=$releases/.new
    rm -rf "$new"
    trap 'rm -rf "$new"' EXIT
    mkdir -p "$new/blobs" "$new/nodes"
    take_stream
    check_list "$id"
    while read -r digest name; do
        place "$digest" "$new/$name"
        mode=644
        case $name in *.bin) mode=755 ;; esac
        chmod "$mode" "$new/$name"
    done <"$new/SHA256SUMS"
    rm -r "$new/blobs"
    (cd "$new" && sha256sum --check --strict --quiet SHA256SUMS) >&2 || refuse "receive: a file is not as the list says"
    sync -f "$new"
    mv -T "$new" "$releases/$id"
    sync -f "$releases"
}

# ---- activate ----

point() {
    ln -sfn "releases/$2" "$opt/.$1.new"
    mv -T "$opt/.$1.new" "$opt/$1"
}

# The digests of a node's files in a release.
node_files() {
    sed -n "s/^\([0-9a-f]*\)  nodes\/$2\.\(.*\)/\1 \2/p" "$releases/$1/SHA256SUMS" 2>/dev/null || :
}

# Makes a release current, and another one previous; restarts the nodes whose files differ from those of the release that was.
switch_to() {
    was=$(linked current)
    point previous "$2"
    point current "$1"
    sync -f "$opt"
    # A node that it refuses is said, and does not keep the others from running.
    apply 0 || :
    for node in $(node_names); do
        [ "$(node_files "$was" "$node")" != "$(node_files "$1" "$node")" ] || continue
        # One that failed too often is forgiven: it is another one now.
        systemctl reset-failed -- "rtnode@$node.service" 2>/dev/null || :
        systemctl restart --no-block -- "rtnode@$node.service" || complain "rtnode@$node.service does not restart"
    done
    systemctl start --no-block rtnode.target
}

read_pending() {
    pending_id='' pending_previous='' pending_who=''
    [ -f "$pending" ] || return 0
    read -r pending_id pending_previous pending_who <"$pending" || :
}

forget_pending() {
    rm -f "$pending"
    sync -f "$opt"
    systemctl stop rtnode-revert.timer 2>/dev/null || :
}

activate() {
    id=$1 seconds=$2
    need_id "$id"
    case $seconds in
    '' | *[!0-9]* | ?????* | 0*) usage ;;
    esac
    take_record
    take_turn
    [ -d "$releases/$id" ] || refuse "$id is not here; send it first"
    read_pending
    [ -z "$pending_id" ] || refuse "${pending_who:-somebody} activated $pending_id and has not confirmed it yet"
    was=$(linked current)
    [ "$was" != "$id" ] || refuse "$id is active already"
    stage_record "$id"
    # Before anything changes: from here on a power cut, too, leads back.
    printf '%s %s %s\n' "$id" "$was" "${SUDO_USER:-root} ($(date -u +%H:%M:%S) UTC)" >"$pending.new"
    sync "$pending.new"
    mv -T "$pending.new" "$pending"
    sync -f "$opt"
    systemctl reset-failed rtnode-revert.service rtnode-revert.timer 2>/dev/null || :
    if ! systemd-run --quiet --unit=rtnode-revert --on-active="${seconds}s" --timer-property=AccuracySec=100ms \
        "$program" revert "$id"; then
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
    prune
}

# From a deploy that gave up, from the timer, and at boot. Says nothing when there is nothing to lead back from.
revert() {
    need_id "$1"
    take_turn
    go_back "$1"
}

go_back() {
    read_pending
    [ -n "$pending_id" ] && [ "$pending_id" = "$1" ] || return 0
    printf 'rtnodectl: %s was not confirmed; going back to %s\n' "$pending_id" "$pending_previous" >&2
    if [ -d "$releases/$pending_previous" ]; then
        switch_to "$pending_previous" "$pending_id"
    else
        complain "the previous release is gone"
    fi
    forget_pending
}

# At boot, before anything runs: only the links change.
settle() {
    read_pending
    [ -n "$pending_id" ] || return 0
    printf 'rtnodectl: %s was not confirmed before the board went down; going back to %s\n' "$pending_id" \
        "$pending_previous" >&2
    if [ -d "$releases/$pending_previous" ]; then
        point current "$pending_previous"
        point previous "$pending_id"
    fi
    rm -f "$pending"
    sync -f "$opt"
}

rollback() {
    id=$1
    take_record
    take_turn
    read_pending
    if [ -n "$pending_id" ]; then
        [ -z "$id" ] || [ "$id" = "$pending_previous" ] || refuse "$pending_id is not confirmed yet; revert it first"
        go_back "$pending_id"
        return
    fi
    [ -n "$id" ] || id=$(linked previous)
    [ -n "$id" ] || refuse "there is no previous release"
    need_id "$id"
    [ -d "$releases/$id" ] || refuse "$id is not here"
    [ "$(linked current)" != "$id" ] || refuse "$id is active already"
    stage_record "$id"
    keep_record "$id"
    switch_to "$id" "$(linked current)"
}

# The newest stay, besides those that are needed.
prune() {
    list_releases | sort -k 3,3nr | {
        count=0
        while read -r id mark _; do
            [ "$mark" = - ] || continue
            count=$((count + 1))
            if [ "$count" -gt "$kept" ]; then rm -rf "${releases:?}/$id"; fi
        done
    }
}

list_releases() {
    for folder in "$releases"/*; do
        id=${folder##*/}
        valid_id "$id" || continue
        mark=-
        [ "$id" != "$(linked previous)" ] || mark=previous
        [ "$id" != "$(linked current)" ] || mark=current
        printf '%s %s %s\n' "$id" "$mark" "$(stat -c %Y "$folder")"
    done
}
