// Prints how long `rtkit flash` takes beside dd and bmaptool, with the same image and the same loop device, whose file is
// made anew before each run, once full of old bytes and once sparse; and what memory each takes at most. bmaptool leaves old
// bytes in the image's holes: a row of its own has it with blkdiscard before it, after which a used card has what rtkit leaves
// on it. It comes right after dd, whose memory it takes over: in a virtual machine it is three times as slow by itself.
// As root. The file is in TMPDIR: a file system in memory (tmpfs) shows the programs, a disk mostly itself. Arguments: an image
// that has its block map beside it (default: examples/arm for rpi4, which is built when it is not there).
import { execa } from "execa";
import { mkdtemp, open, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatSize } from "../../src/core/units.ts";
import { median, printTable } from "./table.ts";

/** Runs of each way and card, in turns. The table has the seconds in the middle, and the ratio in the middle of each turn's. */
const RUNS = 7;

/** What the loop device's file holds before a run. */
const CARDS = ["old bytes", "nothing"] as const;
type CardKind = (typeof CARDS)[number];

const rtkit = join(rtkitRoot, "bin", "rtkit");

/** A way to write an image, as words of a command. */
interface Way {
  readonly name: string;
  readonly words: (image: string, device: string) => readonly string[];
}

const flash =
  (...more: readonly string[]): Way["words"] =>
  (image, device) => [
    rtkit,
    "flash",
    image,
    "--device",
    device,
    "--i-mean",
    device,
    "--yes",
    "--no-host-key",
    "--json",
    ...more,
  ];

const BMAPTOOL = "bmaptool copy";

const WAYS: readonly Way[] = [
  {
    name: "dd conv=fsync bs=4M",
    words: (image, device) => ["dd", `if=${image}`, `of=${device}`, "bs=4M", "conv=fsync", "status=none"],
  },
  { name: BMAPTOOL, words: (image, device) => ["bmaptool", "--quiet", "copy", image, device] },
  {
    name: "blkdiscard, bmaptool copy",
    words: (image, device) => [
      "sh",
      "-c",
      'blkdiscard --force "$2" && bmaptool --quiet copy "$1" "$2"',
      "sh",
      image,
      device,
    ],
  },
  { name: "rtkit flash --no-verify", words: flash("--no-verify") },
  { name: "rtkit flash", words: flash() },
];

/** What a run took: seconds, or where that is looked at, bytes of memory at the most, all its processes together. */
interface Took {
  readonly seconds: number;
  readonly memory: number;
}

const image = process.argv[2] ?? (await exampleImage());
const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-flash-"));
try {
  const memory = new Map<string, number>();
  // Looking at memory takes CPU time, which the clock must not see.
  for (const { name, words } of WAYS) memory.set(name, (await measure(image, words, "old bytes", true)).memory);
  for (const card of CARDS) {
    const took = new Map(WAYS.map(({ name }) => [name, [] as number[]]));
    for (let run = 0; run < RUNS; run += 1) {
      for (const { name, words } of WAYS) {
        process.stderr.write(`a card with ${card}: ${name} (${run + 1} of ${RUNS})\n`);
        took.get(name)?.push((await measure(image, words, card, false)).seconds);
      }
    }
    const runs = (name: string): readonly number[] => took.get(name) ?? [];
    // A moment in which the machine is slow is everyone's.
    const ratio = (name: string): number =>
      median(runs(name).map((seconds, run) => seconds / (runs(BMAPTOOL)[run] ?? Number.NaN)));
    printTable(`${formatSize((await stat(image)).size)} image, a card with ${card} on it`, [
      ["", "seconds", "to bmaptool", "memory"],
      ...WAYS.map(({ name }) => [
        name,
        median(runs(name)).toFixed(2),
        ratio(name).toFixed(2),
        formatSize(memory.get(name) ?? Number.NaN),
      ]),
    ]);
  }
} finally {
  await rm(scratch, { recursive: true });
}

async function exampleImage(): Promise<string> {
  const project = join(rtkitRoot, "examples", "arm");
  await exec(rtkit, ["build", "--project", project, "--board", "rpi4"]);
  return join(project, "out", "rpi4", "arm-rpi4.img");
}

async function measure(source: string, words: Way["words"], kind: CardKind, withMemory: boolean): Promise<Took> {
  const card = join(scratch, "card");
  const bytes = (await stat(source)).size + 64 * 1024 ** 2;
  if (kind === "old bytes") {
    await oldCard(card, bytes);
  } else {
    await writeFile(card, "");
    await truncate(card, bytes);
  }
  const { stdout } = await exec("losetup", ["--find", "--show", card]);
  const device = stdout.trim();
  try {
    const [program = "", ...args] = words(source, device);
    const started = performance.now();
    const running = execa(program, args, { detached: true, stdin: "ignore" });
    const memory = withMemory ? watchMemory(running.pid ?? 0) : undefined;
    await running;
    return { seconds: (performance.now() - started) / 1000, memory: (await memory?.()) ?? 0 };
  } finally {
    await exec("losetup", ["--detach", device]);
    await rm(card);
  }
}

/** A file whose every block is on the disk and holds old bytes. */
async function oldCard(path: string, size: number): Promise<void> {
  const file = await open(path, "w");
  const old = Buffer.alloc(4 * 1024 ** 2, 0x5a);
  for (let at = 0; at < size; at += old.length) await file.write(old);
  await file.sync();
  await file.close();
}

/** Looks at the memory of a session's processes (PSS: what they share counts once) until it is asked for the most. */
function watchMemory(session: number): () => Promise<number> {
  let most = 0;
  const done = new AbortController();
  const watching = (async (): Promise<void> => {
    while (!done.signal.aborted) {
      const { stdout } = await execa("ps", ["--sid", `${session}`, "-o", "pid="], { reject: false });
      const sizes = await Promise.all(stdout.split("\n").map(async (pid) => proportionalSize(pid.trim())));
      most = Math.max(
        most,
        sizes.reduce((sum, bytes) => sum + bytes, 0),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    done.abort();
    await watching;
    return most;
  };
}

/** Pss of /proc/PID/smaps_rollup, in bytes; 0 of a process that has ended. */
async function proportionalSize(pid: string): Promise<number> {
  const { stdout } = await execa("cat", [`/proc/${pid}/smaps_rollup`], { reject: false });
  return 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(stdout)?.[1] ?? 0);
}
