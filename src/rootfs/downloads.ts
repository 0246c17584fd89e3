import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { formatSize } from "../core/units.ts";
import type { StepContext } from "../pipeline/step.ts";
import { aptConf, aptEnv } from "./apt.ts";
import { explainApt } from "./apt-errors.ts";
import { networkOptions } from "./apt-network.ts";
import type { LockedPackage } from "./lock.ts";
import type { DebianMirror } from "./mirror.ts";
import { downloadOnce, type Keep } from "./download-once.ts";

/** apt's own downloader, part of package apt: `download-file URI FILE HASH ...`, with proxies, retries and hash check. */
const APT_HELPER = "/usr/lib/apt/apt-helper";

/** How many files one apt-helper gets: its arguments stay far below the kernel's limit (execve(2), E2BIG). */
const BATCH = 200;

/** Where package files come from. */
export interface Sources {
  readonly mirror: DebianMirror;
  /** Asked for what the mirror no longer has: a snapshot of the archive as it was when it was locked. */
  readonly fallback: DebianMirror | undefined;
}

/**
 * Makes sure that the cache holds the package files, each with the content its sha256 says, and returns their paths in
 * the order of `packages`. A file is fetched once: from `mirror`, or when that no longer has it from `fallback`.
 * Throws RTK_PACKAGE_GONE, RTK_MIRROR_UNTRUSTED, RTK_MIRROR_UNREACHABLE.
 */
export async function download(
  step: StepContext,
  packages: readonly LockedPackage[],
  sources: Sources,
): Promise<string[]> {
  return downloadOnce(step, {
    items: packages,
    contentOf: ({ sha256, size }) => ({ algorithm: "sha256", hash: sha256, size }),
    fetch: async (missing, folder, keep) => fetchAll(step, missing, sources, { folder, keep }),
  });
}

/** Where files go: into a folder of this run's, and from there to where they are kept. */
interface Target {
  readonly folder: string;
  readonly keep: Keep<LockedPackage>;
}

async function fetchAll(
  step: StepContext,
  packages: readonly LockedPackage[],
  { mirror, fallback }: Sources,
  target: Target,
): Promise<void> {
  const total = packages.reduce((sum, { size }) => sum + size, 0);
  step.progress(`downloading ${packages.length} packages, ${formatSize(total)}`);
  const first = await fetchFrom(step, packages, mirror, target);
  if (first.missing.length === 0) return;
  // What cannot be had now, or is not Debian's, must be told, not papered over from elsewhere.
  if (!isGone(first.output)) throw explainApt(first.output, mirror);
  if (fallback === undefined) throw gone(first.missing);
  step.progress(`downloading ${first.missing.length} older packages from ${fallback.origin}`);
  const second = await fetchFrom(step, first.missing, fallback, target);
  if (second.missing.length === 0) return;
  if (isGone(second.output)) throw gone(second.missing);
  const error = explainApt(second.output, fallback);
  throw error.code === "RTK_MIRROR_UNTRUSTED" ? error : gone(second.missing, error);
}

/** What a mirror did not give, and what apt said to that. */
interface Fetched {
  readonly missing: readonly LockedPackage[];
  readonly output: readonly string[];
}

async function fetchFrom(
  step: StepContext,
  packages: readonly LockedPackage[],
  mirror: DebianMirror,
  target: Target,
): Promise<Fetched> {
  const output: string[] = [];
  const missing: LockedPackage[] = [];
  for (let start = 0; start < packages.length; start += BATCH) {
    const batch = packages.slice(start, start + BATCH);
    output.push(...(await fetchBatch(step, batch, mirror, target.folder)));
    for (const wanted of batch)
      if (!(await target.keep(wanted, join(target.folder, wanted.sha256)))) missing.push(wanted);
  }
  return { missing, output };
}

/** Fetches into a folder, under the files' hashes. Returns what apt said. */
async function fetchBatch(
  step: StepContext,
  packages: readonly LockedPackage[],
  mirror: DebianMirror,
  folder: string,
): Promise<string[]> {
  const lines: string[] = [];
  await mkdir(join(folder, "etc", "apt", "apt.conf.d"), { recursive: true });
  const conf = join(folder, "apt.conf");
  const settings = { Dir: folder, "Dir::Etc::parts": "/dev/null", "APT::Sandbox::User": "root" };
  await writeFile(conf, aptConf({ ...(await networkOptions(step.signal)), ...settings }));
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
    // Which of the files came is seen later; the lines say why the others did not.
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
  });
  return lines;
}

/** Whether apt's output complains of nothing but files that the server does not have, as apt-helper says it. */
export function isGone(output: readonly string[]): boolean {
  const reasons = output.flatMap((line) => /^E: Failed to fetch \S+ +(.*)$/.exec(line)?.[1] ?? []);
  return reasons.length > 0 && reasons.every((reason) => /^(?:40[34]|410)\b|\(2: No such file/.test(reason));
}

function gone(missing: readonly LockedPackage[], fallbackError?: RtkitError): RtkitError {
  const names = missing.map(({ name, version }) => `${name} ${version}`);
  const shown = names.length > 5 ? [...names.slice(0, 5), `and ${names.length - 5} more`] : names;
  const also =
    fallbackError === undefined ? "" : `, and the snapshot archive cannot be asked: ${fallbackError.message}`;
  return new RtkitError("RTK_PACKAGE_GONE", `the Debian mirror no longer has ${shown.join(", ")}${also}`, {
    hint: "newer versions took their place: move the lock with rtkit update, or name a snapshot of the archive in the project file",
    cause: fallbackError,
  });
}
