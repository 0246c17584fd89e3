/**
 * The command line that runs a program as root of a user namespace of its own, where the caller's subordinate ids
 * (/etc/subuid) are the other users. `flags` are further ones of unshare(1), words of ours.
 *
 * unshare starts a helper that hands out the ids before it makes the namespace. Where that is refused, the helper waits
 * for good, with our pipes in its hands (util-linux 2.38), so it is tried without ids first.
 */
export function inUserNamespace(flags: readonly string[], command: readonly string[]): [string, string[]] {
  const more = flags.join(" ");
  const script = `unshare --user ${more} true && exec unshare --user --map-auto --map-root-user ${more} -- "$@"`;
  return ["sh", ["-c", script, "sh", ...command]];
}
