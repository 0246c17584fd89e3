import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { formatSize } from "../../src/core/units.ts";
import type { Release } from "../../src/deploy/release.ts";
import { connect } from "../../src/deploy/transport.ts";
import type { FakeBoard, Operator } from "../../test/deploy/loopback.ts";
import { printWays, rsync, writeRelease, type Way } from "./ways.ts";

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
  const restart = async ({ options, to }: Reach): Promise<unknown> =>
    exec("ssh", [...options, to, "systemctl restart rtnode@changed.service"]);
  const byRsync = async ({ options, to }: Reach): Promise<number> => rsync(folder, options, `${to}:${copy}`);
  const scp = async (): Promise<number> => {
    const words = ["-O", "-q", "-r", "-F", operator.settings.config ?? "", "-P", `${address.port}`];
    await exec("scp", [...words, folder, `${alone.to}:${copy}`]);
    return Number((await exec("du", ["-sb", "--apparent-size", folder])).stdout.split("\t")[0]);
  };
  const byHand =
    (send: (reach: Reach) => Promise<number>, reach: Reach) =>
    async (release: Release): Promise<Way> => {
      await writeRelease(release, folder);
      const started = performance.now();
      const bytes = await send(reach);
      await restart(reach);
      return { seconds: (performance.now() - started) / 1000, bytes };
    };
  const ways: readonly (readonly [string, (release: Release) => Promise<Way>])[] = [
    ["rsync + systemctl restart", byHand(byRsync, alone)],
    ["the same, connection kept", byHand(byRsync, kept)],
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
  const changed = changedBytes(next(), next());
  printWays(`one changed node of ten (${formatSize(changed)} of changed files), one board on this machine`, took);
}

/** Bytes of the files that one release has and another has not. */
function changedBytes(before: Release, after: Release): number {
  return [...after.blobs].reduce((sum, [digest, { length }]) => sum + (before.blobs.has(digest) ? 0 : length), 0);
}
