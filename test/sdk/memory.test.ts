import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { launchConf } from "../../src/bundle/launch-conf.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { nodeOf } from "../bundle/robot.ts";
import { buildDevicePrograms, deviceDir, mayBeRealtime, run } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { languages } from "./languages.ts";
import type { Language, NodeText } from "./languages.ts";
import { otherNode, start } from "./support.ts";

beforeAll(buildDevicePrograms);

/** The counts of a statistics line by their names. */
function counts(stderr: string): Record<string, number> {
  const line = stderr.split("\n").find((text) => text.includes(" cycles, ")) ?? "";
  return Object.fromEntries(
    [...line.matchAll(/(\d+) ([a-z ]+?)(?=[,;]|$)/g)].map(([, count, name]) => [name, Number(count)]),
  );
}

const PAGES = 64;

describe.each(languages)("G3: page faults in $name", ({ start: startNode, either }) => {
  /** Memory that nobody has touched yet. */
  const touch = either(`self.kept.append(b"x" * ${PAGES * 4096})`, `self.kept.push(Buffer.alloc(${PAGES * 4096}, 1))`);

  test("in the loop are counted, outside of it they are not", async () => {
    const inLoop = { init: "self.kept = []; return 0", step: `${touch}; return when(self.n == 10, 1)` };
    const { stderr } = await (await startNode(inLoop)).ended;
    expect(counts(stderr)["minor faults"]).toBeGreaterThanOrEqual(9 * PAGES);
    const outside = { init: `self.kept = []; ${touch}; return 0`, step: "return 1", finalize: `${touch}; return 0` };
    expect(counts((await (await startNode(outside)).ended).stderr)["minor faults"]).toBeLessThan(PAGES);
  });
});

test("G3: a page that has to be read from a disk is a major fault", async () => {
  const file = join(rtkitRoot, "build", `.major-faults-${process.pid}`);
  const text = {
    init: `
import mmap, os
with open("${file}", "w+b") as file:
    file.write(b"x" * 4096 * 256)
    file.flush()
    os.fsync(file.fileno())
    self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    self.memory.madvise(mmap.MADV_RANDOM)
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
os.unlink("${file}")
return 0`,
    step: "self.memory[self.n * 16 * 4096]; return when(self.n == 10, 1)",
  };
  const { stderr } = await (await (languages[0] as Language).start(text)).ended;
  expect(counts(stderr)["major faults"]).toBeGreaterThan(0);
});

const CYCLES = 2000;

/** A controller: numbers from a topic, arithmetic, numbers to another one, and now and then a line of the log. */
function controller({ either }: Language): NodeText {
  return {
    above: either(
      `
def update(self):
    self.target.receive()
    message = self.state.message
    error = self.target.message.position - message.position
    self.integral += error * 0.001
    message.position += (8.0 * error + 4.0 * self.integral) * 0.001
    message.torques[1] = error
    self.state.publish()
    if self.n % 100 == 99:
        self.log(f"{error:.3f} rad off")`,
      `
function update(self) {
  self.target.receive();
  const message = self.state.message;
  const error = self.target.message.position - message.position;
  self.integral += error * 0.001;
  message.position += (8 * error + 4 * self.integral) * 0.001;
  message.torques[1] = error;
  self.state.publish();
  if (self.n % 100 === 99) self.log(error.toFixed(3) + " rad off");
}`,
    ),
    init: `
self.target = make(Subscriber, "target", {"position": "f64"})
self.state = make(Publisher, "state", {"position": "f64", "torques": ["f32", 3]})
self.integral = 0.0
return 0`,
    warmUp: either(
      "for _ in range(1000):\n    update(self)\nreturn 0",
      "for (let i = 0; i < 50_000; i++) update(self);\nreturn 0",
    ),
    step: `update(self); return when(self.n == ${CYCLES}, 3)`,
  };
}

/** Starts a node as its unit does: by rt-launch, with the launch options that a release would hold. */
async function launch(language: Language, node: string): Promise<Record<string, number>> {
  const python = language.name === "Python";
  const config = nodeOf("/robot", python ? "test.py" : "test.ts", {
    name: "test",
    schedule: { policy: "fifo", priority: 10, cpus: [] },
    memory: { lock: true, stack: 512 * 1024, heap: (python ? 16 : 32) * 1024 ** 2 },
  });
  const file = (await language.command(controller(language))).at(-1) ?? "";
  const conf = launchConf(config, true)
    .replace(/\/opt\/rtnode\/current\/nodes\/test\.(pyz|mjs)/, file)
    .replace("/usr/bin/node", node);
  const confFile = join(scratchDir("rtnode-conf-"), "test.conf");
  writeFileSync(confFile, conf);
  const { exitCode, stderr } = await start([join(deviceDir, "rt-launch"), "--config", confFile]).ended;
  expect(exitCode, stderr).toBe(3);
  return counts(stderr);
}

/** Whether this user may lock all memory of a program and be real-time, asked of other programs than ours. */
async function mayBeLocked(): Promise<boolean> {
  const script = "import ctypes, sys, mmap; m = mmap.mmap(-1, 1 << 30); sys.exit(ctypes.CDLL(None).mlockall(3))";
  return (await mayBeRealtime()) && (await run(["/usr/bin/python3", "-c", script])).status === 0;
}

/** Moving a page is a fault for whoever touches it next. Boards forbid it (60-realtime.conf), a developer's machine may not. */
function kernelMovesLockedPages(): boolean {
  return readFileSync("/proc/sys/vm/compact_unevictable_allowed", "utf8").trim() !== "0";
}

describe.skipIf(!(await mayBeLocked()))("G1, G3: launched as on a board, nothing disturbs a loop at 1 kHz", () => {
  const [python, typescript] = languages as [Language, Language];

  const other = otherNode();

  test.each([
    { what: "Python", language: python, node: "" },
    { what: "TypeScript on this Node.js", language: typescript, node: realpathSync(process.execPath) },
    ...(other === undefined ? [] : [{ what: "TypeScript on the system's", language: typescript, node: other }]),
  ])("$what", async ({ language, node }) => {
    let found = await launch(language, node);
    for (let again = 4; again > 0 && found["minor faults"] !== 0 && kernelMovesLockedPages(); again--) {
      found = await launch(language, node);
    }
    expect(found).toMatchObject({
      cycles: CYCLES - 1,
      "minor faults": 0,
      "major faults": 0,
      collections: 0,
    });
  });
});
