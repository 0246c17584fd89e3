import { RtkitError, usageError } from "../core/errors.ts";
import { DEFAULT_MIRROR, redactMirror, type DebianMirror } from "./mirror.ts";

/**
 * The error that the output of apt's programs tells of, without the mirror's name: RTK_PACKAGE_UNKNOWN,
 * RTK_MIRROR_UNTRUSTED, RTK_MIRROR_UNREACHABLE, and RTK_PACKAGES_CONFLICT for anything else.
 */
export function explainApt(output: readonly string[], mirror: DebianMirror): RtkitError {
  const lines = output.map((line) => redactMirror(line, mirror));
  const unknown = lines.flatMap((line) => {
    const match = /^E: (?:Unable to locate package|Package) '?([^\s']+)'?(?:$| has no installation candidate)/.exec(
      line,
    );
    return match?.[1] === undefined ? [] : [match[1]];
  });
  if (unknown.length > 0) {
    const names = [...new Set(unknown)].toSorted();
    return usageError("RTK_PACKAGE_UNKNOWN", `Debian has no package ${names.join(", ")}`, {
      hint: "mend image.packages in the project file; names are at https://packages.debian.org/",
    });
  }
  const another = mirror.dated === true ? "RTKIT_DEBIAN_SNAPSHOT" : `--mirror ${DEFAULT_MIRROR.archive}`;
  const anotherMirror = `the mirror is ${mirror.origin}; name another with ${another}`;
  const untrusted = lines.find((line) => UNTRUSTED.test(line));
  if (untrusted !== undefined) {
    return new RtkitError("RTK_MIRROR_UNTRUSTED", `what the Debian mirror sent is not Debian's: ${tidy(untrusted)}`, {
      hint: `${anotherMirror}; if it is right, somebody on the way changes what it sends`,
    });
  }
  const unreachable = lines.find((line) => UNREACHABLE.test(line));
  if (unreachable !== undefined) {
    return new RtkitError("RTK_MIRROR_UNREACHABLE", `cannot fetch from the Debian mirror: ${tidy(unreachable)}`, {
      hint: anotherMirror,
    });
  }
  return new RtkitError("RTK_PACKAGES_CONFLICT", `apt cannot choose packages:\n${lines.slice(-15).join("\n")}`, {
    hint: "the lines above are apt's; packages that exclude each other cannot stand together in image.packages",
  });
}

/** Signatures and hashes that do not fit (apt-secure(8), and the messages of apt's gpgv and sqv methods). */
const UNTRUSTED =
  /Hash Sum mismatch|unexpected size|BADSIG|NO_PUBKEY|signatures? (?:were invalid|couldn't be verified)|is not signed|isn't valid, got|doesn't match|no longer signed|signature verification failed|Bad signature|Malformed message/i;

const UNREACHABLE =
  /Could not (?:resolve|connect|handshake)|Failed to fetch|Temporary failure resolving|Unable to connect|Connection (?:failed|timed out|refused)|does not have a Release file|Release file .* is (?:expired|not valid)|File not found|The requested URL returned/i;

function tidy(line: string): string {
  return line.replace(/^(?:[EWI]|Err):?\d*\s*:?\s*/, "").trim();
}
