import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cp, readFile, truncate, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { releaseStream } from "../../src/deploy/stream.ts";
import { atMost } from "../../src/pipeline/concurrent.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { scratchDir } from "../scratch.ts";
import { bootBoard, type BoardStatus, type Built, type RunningBoard } from "./board.ts";
import { rtkit, rtkitResult } from "./cli.ts";
import { afterCut, readWriteLog, recordingQemu, replay, type LoggedRequest } from "./write-log.ts";

/**
 * The power is cut at every moment of a deploy. QEMU logs each write and flush of a booted board's disk while a release is
 * deployed that is well, and then one that is not; from the log comes the disk as a cut after each request would leave it:
 * with all writes since the last flush, with none of them, with some. Whatever the cut, the board must find the old or the
 * new release, whole. Some of these disks are booted: RTKIT_POWER_CUTS says how many.
 */
const BOOTS = Number(process.env["RTKIT_POWER_CUTS"] ?? "1");

const PROJECT = "examples/arm";
const BOARD = "qemu-x86_64";
/** Generous: everything is emulated. */
const PATIENCE = ["--timeout", "240"];
/** Partitions are aligned to it. */
const MIB = 2 ** 20;
const rtnodectl = join(rtkitRoot, "src/device/rtnodectl");

/** What a board may be on after a cut at one moment. */
interface Moment {
  /** Requests that were completed. */
  readonly count: number;
  readonly may: readonly string[];
}

describe("a board whose power is cut during a deploy", () => {
  const dir = scratchDir("rtkit-power-");
  const log = join(dir, "writes.log");
  const robot = join(dir, "robot");
  let image: string;
  let data: { readonly start: number; readonly size: number };
  let requests: readonly LoggedRequest[];
  let moments: readonly Moment[];
  let kept: Kept;

  beforeAll(async () => {
    const built = await rtkitResult<Built>(["build", "--project", PROJECT, "--board", BOARD]);
    image = join(dir, "image.img");
    await execa("cp", ["--sparse=always", built.image.path, image]);
    await cp(join(rtkitRoot, PROJECT), robot, { recursive: true, filter: (path) => !path.endsWith("/out") });
    await change("rtkit.yaml", /^board: .*$/m, `board: ${BOARD}`);

    recordingQemu(dir, "qemu-system-x86_64", log);
    const machine = await bootBoard(PROJECT, BOARD, "ready", {
      disk: join(dir, "recorded.img"),
      env: { PATH: `${dir}${delimiter}${process.env["PATH"] ?? ""}` },
    });
    try {
      await record(machine, built.release.id);
    } finally {
      await machine.stop();
    }
    // At its first boot a board makes it as large as the card allows.
    data = await lastPartition(join(dir, "recorded.img"));
    const part = join(dir, "data.img");
    await execa("dd", [`if=${image}`, `of=${part}`, "conv=sparse", "bs=1M", `skip=${data.start / MIB}`, "status=none"]);
    await truncate(part, data.size);
  });

  const change = async (name: string, from: RegExp | string, to: string): Promise<void> =>
    writeFile(join(robot, name), (await readFile(join(robot, name), "utf8")).replace(from, to));

  /** Deploys a release that is well and one that is not, and notes what a cut may leave at each moment. */
  async function record(machine: RunningBoard, old: string): Promise<void> {
    const written = (): number => readWriteLog(log).length;
    const begin = written();
    await change("nodes/controller.py", "return 0", 'print("deployed")\n        return 0');
    const good = await deployTo(machine);
    const confirmed = written();
    await change("nodes/controller.py", 'print("deployed")', 'raise RuntimeError("no such device")');
    const bad = await deployTo(machine);
    expect([good.status, bad.status], JSON.stringify([good, bad])).toEqual([0, 1]);
    requests = readWriteLog(log);
    const release = good.release;
    moments = Array.from({ length: requests.length - begin + 1 }, (_, index) => {
      const count = begin + index;
      return { count, may: count < confirmed ? [old, release] : [release] };
    });
    kept = await releaseOnBoard(machine, release);
  }

  async function deployTo({ sshConfig }: RunningBoard): Promise<{ status: number | undefined; release: string }> {
    const run = await rtkit(["deploy", "--project", robot, "--ssh-config", sshConfig, "--host", "board", ...PATIENCE]);
    const line = run.lines.find(({ type }) => type === "result") as { targets?: { release: string }[] } | undefined;
    return { status: run.status, release: line?.targets?.[0]?.release ?? JSON.stringify(run) };
  }

  it("has the old or the new release, whole, and takes the next deploy", async () => {
    // A cut between two requests to other partitions leaves the same data partition as the one before.
    const concern = moments.filter(({ count }, index) => index === 0 || concerns(requests[count - 1], data));
    expect(concern.length).toBeGreaterThan(20);
    const random = randomBits(1);
    const cuts = concern.flatMap(({ count, may }) =>
      [() => true, () => false, random].map((keeps) => ({ may, left: afterCut(requests, count, keeps) })),
    );
    const found = await atMost(availableParallelism(), cuts, async ({ may, left }) => {
      const current = await recover(left);
      expect(may).toContain(current);
      return current;
    });
    // Both are seen: the cuts before the new release was active and after.
    expect(new Set(found)).toEqual(new Set(moments[0]?.may));
  });

  /** What the board does at boot with the data partition that a cut left; returns the release that it is on. */
  async function recover(left: readonly LoggedRequest[]): Promise<string> {
    const work = scratchDir("rtkit-cut-");
    try {
      const partition = join(work, "data.img");
      await execa("cp", ["--sparse=always", join(dir, "data.img"), partition]);
      replay(
        log,
        left.filter((request) => concerns(request, data)),
        partition,
        data.start,
      );
      // Replays the journal and forgets files that were open, as mounting does; anything else is damage (exit status 4).
      const { exitCode, stdout } = await execa("e2fsck", ["-f", "-p", partition], { reject: false });
      expect(exitCode, stdout).toBeLessThan(4);
      const root = join(work, "root");
      const opt = join(root, "opt/rtnode");
      for (const folder of ["bin", "run", "opt/rtnode", "usr/lib/rtnode"])
        mkdirSync(join(root, folder), { recursive: true });
      await execa("debugfs", ["-R", `rdump / ${opt}`, partition]);
      writeFileSync(join(root, "usr/lib/rtnode/groups"), "");
      for (const name of ["systemctl", "systemd-run"]) {
        writeFileSync(join(root, "bin", name), "#!/bin/sh\n");
        chmodSync(join(root, "bin", name), 0o755);
      }
      const env = { RTNODE_ROOT: root, PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}` };
      await execa("sh", [rtnodectl, "apply", "--start"], { env });
      const current = readlinkSync(join(opt, "current"));
      await execa("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: join(opt, current) });
      expect(existsSync(join(opt, "pending"))).toBe(false);
      for (const id of readdirSync(join(opt, "releases")).filter((name) => !name.startsWith("."))) {
        expect(sha256(readFileSync(join(opt, "releases", id, "SHA256SUMS")))).toBe(id);
        await execa("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: join(opt, "releases", id) });
      }
      const input = Buffer.concat(releaseStream(kept, new Set()).chunks);
      await execa("sh", [rtnodectl, "receive", kept.id], { env, input });
      if (current !== `releases/${kept.id}`) {
        await execa("sh", [rtnodectl, "activate", kept.id, "--confirm-within", "60"], { env, stdin: "ignore" });
        await execa("sh", [rtnodectl, "confirm", kept.id], { env });
      }
      expect(readlinkSync(join(opt, "current"))).toBe(`releases/${kept.id}`);
      return current.replace("releases/", "");
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }

  describe("and comes back", () => {
    let board: RunningBoard | undefined;
    afterAll(async () => board?.stop());

    it.each(Array.from({ length: BOOTS }, (_, index) => index + 1))(
      "boots into it (%i), and takes a deploy",
      async (seed) => {
        const random = randomBits(seed);
        const [first, last] = [moments[0]?.count ?? 0, moments.at(-1)?.count ?? 0];
        const count = first + Math.floor(((seed - 0.5) / BOOTS) * (last - first));
        const { may } = moments.find((moment) => moment.count === count) ?? { may: [] };
        const disk = join(dir, "cut.img");
        await execa("cp", ["--sparse=always", image, disk]);
        replay(log, afterCut(requests, count, random), disk);
        board = await bootBoard(PROJECT, BOARD, "ready", { disk });
        const { release, nodes } = JSON.parse(
          await board.ask("sudo -n /usr/lib/rtnode/rtnodectl status --json"),
        ) as BoardStatus;
        expect(may).toContain(release);
        expect(nodes.map(({ state }) => state)).toEqual(nodes.map(() => "active"));
        await change("nodes/controller.py", /print\(.*\)|raise .*$/m, `print("after cut ${seed}")`);
        expect(await deployTo(board)).toMatchObject({ status: 0 });
        await board.stop();
        board = undefined;
        rmSync(disk);
      },
    );
  });
});

/** A release as a board has it. */
type Kept = Parameters<typeof releaseStream>[0] & { readonly id: string };

async function releaseOnBoard(board: RunningBoard, id: string): Promise<Kept> {
  const folder = `/opt/rtnode/releases/${id}`;
  const file = async (name: string): Promise<Buffer> =>
    Buffer.from(await board.ask(`base64 ${folder}/${name}`), "base64");
  const sums = await file("SHA256SUMS");
  const blobs = new Map<string, Buffer>();
  for (const [, digest = "", name = ""] of sums.toString().matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)) {
    blobs.set(digest, await file(name));
  }
  return { id, sums, blobs };
}

/** Bytes. */
async function lastPartition(image: string): Promise<{ start: number; size: number }> {
  const { stdout } = await execa("sfdisk", ["--json", image]);
  const { partitiontable: table } = JSON.parse(stdout) as {
    partitiontable: { sectorsize: number; partitions: { start: number; size: number }[] };
  };
  const last = table.partitions.at(-1);
  if (last === undefined) throw new Error(`${image} has no partitions`);
  return { start: last.start * table.sectorsize, size: last.size * table.sectorsize };
}

function concerns(
  request: LoggedRequest | undefined,
  part: { readonly start: number; readonly size: number },
): boolean {
  return request !== undefined && request.start >= part.start && request.start < part.start + part.size;
}

/** A row of random answers, the same for the same seed (a linear congruential generator). */
function randomBits(seed: number): () => boolean {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state > 2 ** 30;
  };
}
