# Which releases are here, and which go: part of rtnodectl, which sources this file.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # releases is rtnodectl's, pending_id release.sh's, damaged receive.sh's

# Releases that stay besides the current, the previous and a pending one, as long as all together take at most this part
# of the file system: on boards without a partition for them it is everybody's.
kept=3
largest_part=10

# With their times as stat(1) prints them with this format.
list_releases() {
    linked previous
    previous_id=$link
    linked current
    current_id=$link
    for folder in "$releases"/*; do
        id=${folder##*/}
        valid_id "$id" || continue
        mark=-
        [ "$id" != "$previous_id" ] || mark=previous
        [ "$id" != "$current_id" ] || mark=current
        printf '%s %s %s\n' "$id" "$mark" "$(stat -c "$1" "$folder/SHA256SUMS" 2>/dev/null || echo 0)"
    done
}

# Sets needed to the releases that have to stay, and old to the others, the newest first.
sort_releases() {
    needed='' old=''
    read_pending
    while read -r id mark _; do
        case "$mark $id" in
        "- $pending_id" | "- $pending_previous") needed="$needed$id " ;;
        '- '*) old="$old$id " ;;
        *) needed="$needed$id " ;;
        esac
    done <<end
$(list_releases %.9Y | sort -k 3,3nr)
end
}

# By rename first: half a release is none.
remove_release() {
    mv -T "$releases/$1" "$releases/.old"
    rm -rf "$releases/.old"
    # It may be the damaged copies that went.
    rm -f "$damaged"
}

# KiB of the file system.
all_kib() {
    # shellcheck disable=SC2046 # numbers
    set -- $(stat -f -c '%b %S' "$releases")
    echo "$(($1 * $2 / 1024))"
}

# KiB of the file system that are free, without what it keeps for itself.
free_kib() {
    # shellcheck disable=SC2046 # numbers
    set -- $(stat -f -c '%a %S' "$releases")
    echo "$(($1 * $2 / 1024))"
}

prune() {
    rm -rf "$releases/.old"
    # shellcheck disable=SC2046 # numbers
    set -- $(stat -f -c '%b %S' "$releases")
    limit=$(($1 * $2 / 1024 / largest_part))
    sort_releases
    total=0 count=0
    # du(1) counts a file once, at the first of its names: for each release, what it adds to those before it.
    # shellcheck disable=SC2086 # ids
    used=$(cd "$releases" && du -sk -- $needed $old) || :
    while read -r kib id; do
        total=$((total + kib))
        case " $old" in *" $id "*) ;; *) continue ;; esac
        count=$((count + 1))
        if [ "$count" -gt "$kept" ] || [ "$total" -gt "$limit" ]; then remove_release "$id"; fi
    done <<end
$used
end
}

# Removes old releases, the oldest first, until so many KiB are free or none is left.
make_room() {
    # Of one that was killed in the middle.
    rm -rf "$releases/.old"
    sort_releases
    # shellcheck disable=SC2086 # ids
    for id in $(printf '%s\n' $old | tac); do
        [ "$1" -gt "$(free_kib)" ] || return 0
        remove_release "$id"
        # Room that was given up is there when the file system has said so.
        sync -f "$releases"
    done
}
