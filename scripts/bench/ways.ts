import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { formatSize } from "../../src/core/units.ts";
import type { Release } from "../../src/deploy/release.ts";
import { median, printTable } from "./table.ts";

/** What a way to put a changed node on a board took. */
export interface Way {
  /** Until the node was told to restart. */
  readonly seconds: number;
  /** Bytes of files and of what is said about them, in both directions where the tool tells. */
  readonly bytes: number;
}

/** Puts the files of a release into a folder. */
export async function writeRelease({ sums, blobs }: Release, folder: string): Promise<void> {
  for (const [, digest = "", name = ""] of sums.toString("utf8").matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), blobs.get(digest) ?? "");
  }
}

/** Sends a folder with rsync over ssh with these options; the bytes that went over. */
export async function rsync(folder: string, ssh: readonly string[], to: string): Promise<number> {
  const words = ["-a", "--checksum", "--stats", "-e", ["ssh", ...ssh].join(" "), `${folder}/`, to];
  const { stdout } = await exec("rsync", words);
  const count = (what: string): number =>
    Number(new RegExp(`^Total bytes ${what}: ([\\d,]+)$`, "m").exec(stdout)?.[1]?.replaceAll(",", ""));
  return count("sent") + count("received");
}

/** Prints the runs in the middle of each way, beside the first way, which is rsync's. */
export function printWays(title: string, took: ReadonlyMap<string, readonly Way[]>): void {
  const rows = [...took].map(([name, runs]) => ({
    name,
    seconds: median(runs.map(({ seconds }) => seconds)),
    bytes: median(runs.map(({ bytes }) => bytes)),
  }));
  const base = rows[0]?.seconds ?? Number.NaN;
  printTable(title, [
    ["", "until restarted", "÷ rsync", "bytes"],
    ...rows.map(({ name, seconds, bytes }) => [
      name,
      `${seconds.toFixed(2)} s`,
      (seconds / base).toPrecision(2),
      formatSize(bytes),
    ]),
  ]);
}
