import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { removeTree } from "../core/remove.ts";
import { namespace, type ForeignPrograms } from "./namespace.ts";

/** One run of mmdebstrap. */
export interface Bootstrap {
  readonly suite: string;
  readonly architecture: string;
  /** A line for sources.list(5): where all packages come from. */
  readonly sources: string;
  readonly foreign: ForeignPrograms;
  /** Options that decide what is made: the same on every host, so they can stand in a step's inputs. */
  readonly options: readonly string[];
  /** Where the tar goes. */
  readonly tar: string;
  /** An existing folder for mmdebstrap's tree. It is gone afterwards. */
  readonly scratch: string;
  /** Seconds since 1970, given to files that are newer. */
  readonly sourceDateEpoch: number;
  /** Handed to the hooks as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Makes a tar of Debian packages, as an ordinary user. Throws RTK_PACKAGES_FAILED. */
export async function bootstrap(job: Bootstrap): Promise<void> {
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    TMPDIR: job.scratch,
    SOURCE_DATE_EPOCH: String(job.sourceDateEpoch),
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    // Kernel packages make no initramfs, see /etc/kernel/postinst.d/initramfs-tools.
    INITRD: "No",
    ...job.env,
  };
  const command = namespace(
    [
      // Packages' scripts see the same everywhere: nothing of the caller's environment, no host name, the usual umask.
      "sh",
      "-c",
      'umask 022 && hostname localhost && exec "$@"',
      "sh",
      "env",
      "--ignore-environment",
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
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
      input: job.sources,
      onStderrLine: (line) => {
        job.onLine(line);
        lines.push(line);
      },
      signal: job.signal,
      killSignal: "SIGKILL",
      installHint: "run: sudo apt-get install mmdebstrap uidmap",
    });
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    throw new RtkitError("RTK_PACKAGES_FAILED", `installing packages failed:\n${tellingLines(lines).join("\n")}`, {
      hint: "the last lines above say which package or script failed; --emulate rules out the native programs",
      cause: error,
    });
  } finally {
    await removeTree(job.scratch);
  }
}

/** How many lines of mmdebstrap's output explain a failure. */
const TOLD_LINES = 15;

/** The lines up to the cause of a failure: after it dpkg goes on with other packages, and mmdebstrap tells of its cleaning up. */
export function tellingLines(lines: readonly string[]): string[] {
  // dpkg gives its reason in the line after.
  const failed = lines.findIndex((line) => line.startsWith("dpkg: error processing"));
  // After it gives up mmdebstrap repeats the whole hook.
  const over = lines.findIndex((line) => /^(?:E: (?:setup|command) failed|I: main\(\) received signal)/.test(line));
  const end = failed >= 0 ? failed + 2 : over >= 0 ? over : lines.length;
  return lines.slice(Math.max(0, end - TOLD_LINES), end);
}
