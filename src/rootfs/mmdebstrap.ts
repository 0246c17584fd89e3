import { RtkitError, usageError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { DEFAULT_MIRROR, redactMirror, type DebianMirror } from "./mirror.ts";
import { namespace, type ForeignPrograms } from "./namespace.ts";

/** Components that images are made of: `non-free-firmware` for the boards' boot and radio firmware. */
export const COMPONENTS = "main non-free-firmware";

/**
 * The time given to every file that a build makes, seconds since 1970: trixie's release day, 2025-08-09
 * (https://www.debian.org/News/2025/20250809). Files of packages keep their own time, or this when it is earlier.
 */
export const SOURCE_DATE_EPOCH = 1_754_697_600;

/** One run of mmdebstrap. */
export interface Bootstrap {
  readonly suite: string;
  readonly architecture: string;
  readonly mirror: DebianMirror;
  readonly foreign: ForeignPrograms;
  /** Options that decide what is made: the same on every host, so they can stand in a step's inputs. */
  readonly options: readonly string[];
  /** Where the tar goes. */
  readonly tar: string;
  /** An existing folder for mmdebstrap's tree. It is left empty. */
  readonly scratch: string;
  /** Handed to the hooks as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Makes a tar of Debian packages, as an ordinary user. Throws RTK_PACKAGE_UNKNOWN, RTK_MIRROR_UNREACHABLE, and
 * RTK_PACKAGES_FAILED for anything else, none of them with the mirror's name.
 */
export async function bootstrap(job: Bootstrap): Promise<void> {
  const command = namespace(
    [
      "mmdebstrap",
      // Root of the namespace that unshare made, which also has what a foreign architecture needs.
      "--mode=root",
      "--verbose",
      "--format=tar",
      `--architectures=${job.architecture}`,
      // Whether foreign programs run was settled before; /sys cannot be mounted without a network namespace.
      "--skip=check/qemu,chroot/mount/sys",
      // apt drops its rights to user _apt otherwise, whose folders an ordinary user outside could not remove.
      '--aptopt=APT::Sandbox::User "root"',
      ...job.options,
      job.suite,
      job.tar,
      "-",
    ],
    job.foreign,
  );
  const lines: string[] = [];
  try {
    await exec(command.file, command.args, {
      // The mirror goes in as text: command lines end up in error messages.
      input: aptSources(job.suite, job.mirror),
      env: { ...job.env, TMPDIR: job.scratch, SOURCE_DATE_EPOCH: String(SOURCE_DATE_EPOCH), LC_ALL: "C.UTF-8" },
      onStderrLine: (line) => {
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
        job.onLine(line);
      },
      signal: job.signal,
      killSignal: "SIGKILL",
      installHint: "run: sudo apt-get install mmdebstrap uidmap",
    });
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    throw explain(lines, job.mirror);
  } finally {
    // What a killed mmdebstrap leaves belongs to subordinate ids: only root of the namespace can remove all of it.
    const cleanup = namespace(["find", job.scratch, "-mindepth", "1", "-xdev", "-delete"]);
    await exec(cleanup.file, cleanup.args);
  }
}

/** Lines of mmdebstrap's output that are kept to explain a failure. */
const KEPT_LINES = 400;

/** The sources, one-line style, sources.list(5). */
function aptSources(suite: string, { archive, security }: DebianMirror): string {
  return [
    `deb ${archive} ${suite} ${COMPONENTS}`,
    `deb ${archive} ${suite}-updates ${COMPONENTS}`,
    `deb ${security} ${suite}-security ${COMPONENTS}`,
    "",
  ].join("\n");
}

/** The error that mmdebstrap's output tells of. */
export function explain(output: readonly string[], mirror: DebianMirror): RtkitError {
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
  const unreachable = lines.find((line) => UNREACHABLE.test(line));
  if (unreachable !== undefined) {
    return new RtkitError(
      "RTK_MIRROR_UNREACHABLE",
      `cannot fetch packages from the Debian mirror: ${tidy(unreachable)}`,
      {
        hint: `the mirror is ${mirror.origin}; name another with --mirror ${DEFAULT_MIRROR.archive}`,
      },
    );
  }
  return new RtkitError("RTK_PACKAGES_FAILED", `installing packages failed:\n${lines.slice(-15).join("\n")}`, {
    hint: "the last lines above say which package or script failed; try again with --verbose for all of them",
  });
}

const UNREACHABLE =
  /Could not (?:resolve|connect)|Failed to fetch|Temporary failure resolving|Unable to connect|does not have a Release file|Connection (?:failed|timed out|refused)|Release file .* is (?:expired|not valid)/;

function tidy(line: string): string {
  return line.replace(/^(?:[EWI]|Err):?\d*\s*:?\s*/, "").trim();
}
