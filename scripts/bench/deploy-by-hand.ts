import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { formatSize } from "../../src/core/units.ts";
import type { Release } from "../../src/deploy/release.ts";
import { connect } from "../../src/deploy/transport.ts";
import type { FakeBoard, Operator } from "../../test/deploy/loopback.ts";
import { median, printTable } from "./table.ts";

/** What a way to put a changed node on a board took. */
export interface Way {
  /** Until the node was told to restart. */
  readonly seconds: number;
  /** Bytes of files and of what is said about them, in both directions where the tool tells. */
  readonly bytes: number;
}

/** ssh's arguments that lead to the board. */
interface Reach {
  readonly options: readonly string[];
  readonly to: string;
}

/** Runs of each way; the table has the ones in the middle. */
const RUNS = 7;

/**
 * Prints `rtkit deploy` beside what people do by hand: rsync or scp of the release's folder, and systemctl restart. By hand
 * nothing is verified, nothing is atomic, and nobody looks whether the node runs.
 */
export async function compareByHand(
  { board, operator, dir }: { readonly board: FakeBoard; readonly operator: Operator; readonly dir: string },
  next: () => Release,
  deploy: (release: Release) => Promise<Way>,
): Promise<void> {
  board.before('case $SSH_ORIGINAL_COMMAND in rsync*|scp*|systemctl*) eval "exec $SSH_ORIGINAL_COMMAND" ;; esac');
  await deploy(next());
  const { address } = board;
  const alone: Reach = {
    options: ["-F", operator.settings.config ?? "", "-p", `${address.port}`],
    to: `${address.user}@${address.host}`,
  };
  const connection = await connect(address, operator.settings, new AbortController().signal);
  const kept: Reach = { options: ["-F", connection.sshConfig], to: "board" };
  const folder = join(dir, "release");
  const copy = join(board.root, "by-hand/");
  await mkdir(copy);
  const write = async (release: Release): Promise<void> => writeRelease(release, folder);
  const restart = async ({ options, to }: Reach): Promise<unknown> =>
    exec("ssh", [...options, to, "systemctl restart rtnode@changed.service"]);
  const rsync = async ({ options, to }: Reach): Promise<number> => {
    const words = ["-a", "--checksum", "--stats", "-e", ["ssh", ...options].join(" "), `${folder}/`, `${to}:${copy}`];
    const { stdout } = await exec("rsync", words);
    const count = (what: string): number =>
      Number(new RegExp(`^Total bytes ${what}: ([\\d,]+)$`, "m").exec(stdout)?.[1]?.replaceAll(",", ""));
    return count("sent") + count("received");
  };
  const scp = async (): Promise<number> => {
    const words = ["-O", "-q", "-r", "-F", operator.settings.config ?? "", "-P", `${address.port}`];
    await exec("scp", [...words, folder, `${alone.to}:${copy}`]);
    return Number((await exec("du", ["-sb", "--apparent-size", folder])).stdout.split("\t")[0]);
  };
  const byHand =
    (send: (reach: Reach) => Promise<number>, reach: Reach) =>
    async (release: Release): Promise<Way> => {
      await write(release);
      const started = performance.now();
      const bytes = await send(reach);
      await restart(reach);
      return { seconds: (performance.now() - started) / 1000, bytes };
    };
  const ways: readonly (readonly [string, (release: Release) => Promise<Way>])[] = [
    ["rsync + systemctl restart", byHand(rsync, alone)],
    ["the same, connection kept", byHand(rsync, kept)],
    ["scp + systemctl restart", byHand(scp, alone)],
    ["rtkit deploy", deploy],
  ];
  // The first time everything is new on the board.
  for (const [, way] of ways) await way(next());
  const took = new Map<string, Way[]>(ways.map(([name]) => [name, []]));
  // In turns, so that a slow moment of the machine is everyone's.
  for (let run = 0; run < RUNS; run += 1) {
    for (const [name, way] of ways) took.get(name)?.push(await way(next()));
  }
  await connection.close();
  const base = median((took.get("rsync + systemctl restart") ?? []).map(({ seconds }) => seconds));
  printTable("one changed node of ten, one board on this machine", [
    ["", "until restarted", "÷ rsync", "bytes"],
    ...[...took].map(([name, runs]) => {
      const seconds = median(runs.map((one) => one.seconds));
      const bytes = median(runs.map((one) => one.bytes));
      return [name, `${seconds.toFixed(2)} s`, (seconds / base).toPrecision(2), formatSize(bytes)];
    }),
  ]);
}

/** Puts the files of a release into a folder. */
export async function writeRelease({ sums, blobs }: Release, folder: string): Promise<void> {
  for (const [, digest = "", name = ""] of sums.toString("utf8").matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), blobs.get(digest) ?? "");
  }
}
