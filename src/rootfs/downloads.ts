import { mkdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { formatSize } from "../core/units.ts";
import { temporaryPath } from "../pipeline/builds.ts";
import { digestFile } from "../pipeline/digest.ts";
import type { StepContext } from "../pipeline/step.ts";
import { aptConf, aptEnv } from "./apt.ts";
import { explainApt } from "./apt-errors.ts";
import type { LockedPackage } from "./lock.ts";
import type { DebianMirror } from "./mirror.ts";

/** apt's own downloader, part of package apt: `download-file URI FILE HASH ...`, with proxies, retries and hash check. */
const APT_HELPER = "/usr/lib/apt/apt-helper";

/** How many files one apt-helper gets: its arguments stay far below the kernel's limit (execve(2), E2BIG). */
const BATCH = 200;

/** The cache's folder of downloaded package files, each named by its sha256. */
const DOWNLOADS = "downloads";

/** Where package files come from. */
export interface Sources {
  readonly mirror: DebianMirror;
  /** Asked for what the mirror no longer has: a snapshot of the archive as it was when it was locked. */
  readonly fallback: DebianMirror | undefined;
}

/**
 * Makes sure that the cache holds the package files, each with the content its sha256 says, and returns their paths in
 * the order of `packages`. A file is fetched once: from `mirror`, and if that no longer has it from `fallback`.
 * Throws RTK_PACKAGE_GONE, RTK_MIRROR_UNTRUSTED, RTK_MIRROR_UNREACHABLE.
 */
export async function download(
  step: StepContext,
  packages: readonly LockedPackage[],
  sources: Sources,
): Promise<string[]> {
  const folder = join(step.cacheDir, DOWNLOADS);
  await mkdir(folder, { recursive: true });
  const fileOf = ({ sha256 }: LockedPackage): string => join(folder, sha256);
  let missing: LockedPackage[] = [];
  for (const wanted of packages) if (!(await isWhole(fileOf(wanted), wanted))) missing.push(wanted);
  if (missing.length > 0) {
    const total = missing.reduce((sum, { size }) => sum + size, 0);
    step.progress(`downloading ${missing.length} packages, ${formatSize(total)}`);
  }
  const complaints: string[] = [];
  for (const mirror of [sources.mirror, sources.fallback]) {
    if (mirror === undefined) continue;
    for (let start = 0; start < missing.length; start += BATCH) {
      const lines = await fetchFrom(step, missing.slice(start, start + BATCH), mirror, fileOf);
      // What the fallback lacks is no news, and that it does not answer is not what is wrong.
      if (mirror === sources.mirror) complaints.push(...lines);
    }
    const still = [];
    for (const wanted of missing) if (!(await exists(fileOf(wanted)))) still.push(wanted);
    missing = still;
  }
  if (missing.length > 0) throw explainMissing(missing, complaints, sources.mirror);
  return packages.map((wanted) => fileOf(wanted));
}

/** Fetches into a folder of its own, so that what appears under its final name is whole. Returns apt's complaints. */
async function fetchFrom(
  step: StepContext,
  packages: readonly LockedPackage[],
  mirror: DebianMirror,
  fileOf: (wanted: LockedPackage) => string,
): Promise<string[]> {
  const folder = await temporaryPath(step.cacheDir, DOWNLOADS);
  const lines: string[] = [];
  try {
    await mkdir(folder);
    const conf = join(folder, "apt.conf");
    await writeFile(
      conf,
      aptConf({ Dir: folder, "Dir::Etc::parts": "/dev/null", "APT::Sandbox::User": "root", "Acquire::Retries": "3" }),
    );
    const words = packages.flatMap(({ path, archive, sha256 }) => [
      // A plus sign stays as it is in a path, but mirrors' own lists write it escaped, and some servers read it as a blank.
      `${mirror[archive]}/${path.split("/").map(encodeURIComponent).join("/")}`.replace(/^file:/, "copy:"),
      join(folder, sha256),
      `SHA256:${sha256}`,
    ]);
    let done = 0;
    const onLine = (line: string): void => {
      lines.push(line);
      const name = /^Get:\d+ \S+?\/([^/_\s]+)_[^/\s]*\.deb/.exec(line)?.[1];
      if (name === undefined) return;
      done += 1;
      step.progress(`downloading ${name}, ${Math.round((100 * done) / packages.length)} %`);
    };
    await exec(APT_HELPER, ["download-file", ...words], {
      env: aptEnv(conf),
      signal: step.signal,
      onStdoutLine: onLine,
      onStderrLine: onLine,
      installHint: "run: sudo apt-get install apt",
    }).catch((error: unknown) => {
      // Which of the files came is seen below; the lines say why the others did not.
      if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    });
    for (const wanted of packages) {
      const file = join(folder, wanted.sha256);
      if (await isWhole(file, wanted)) await rename(file, fileOf(wanted));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return lines;
}

/** Whether a file has the content that its package should have; one that has not is removed. */
async function isWhole(file: string, { size, sha256 }: LockedPackage): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  if (info === undefined) return false;
  if (info.size === size && (await digestFile(file)) === sha256) {
    const now = new Date();
    await utimes(file, now, now);
    return true;
  }
  await rm(file, { force: true });
  return false;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** What apt's methods say after two blanks: an HTTP status, or copy's word for a file that is not there. */
const GONE = / {2}(?:403|404|410) | {2}Failed to stat .*No such file/;

function explainMissing(
  missing: readonly LockedPackage[],
  complaints: readonly string[],
  mirror: DebianMirror,
): RtkitError {
  const failures = complaints.filter((line) => line.startsWith("E: Failed to fetch"));
  if (failures.length === 0 || !failures.every((line) => GONE.test(line))) {
    const error = explainApt(complaints, mirror);
    if (error.code !== "RTK_PACKAGES_CONFLICT") return error;
  }
  const names = missing.map(({ name, version }) => `${name} ${version}`);
  const shown = names.length > 5 ? [...names.slice(0, 5), `and ${names.length - 5} more`] : names;
  return new RtkitError("RTK_PACKAGE_GONE", `the Debian mirror no longer has ${shown.join(", ")}`, {
    hint: "newer versions took their place: move the lock with rtkit update, or name a snapshot of the archive in the project file",
  });
}
