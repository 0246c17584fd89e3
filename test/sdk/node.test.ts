import { symlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, mayBeRealtime } from "../device/support.ts";
import { bundle, startPython, startTypeScript, writeProgram } from "./support.ts";
import { scratchDir } from "../scratch.ts";

beforeAll(buildDevicePrograms);

const identityPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:test:([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/** A Python node that runs a statement inside `run`. */
function collecting(body: string): string {
  return `
import gc
from rtnode import RTNode
class Test(RTNode):
    def init(self):
        return 0
    def run(self):
        print(gc.isenabled(), gc.get_threshold()[0])
        ${body}
        return 0
    def finalize(self):
        print(gc.get_threshold()[0] > 0)
        return 0
Test(realtime=False).main()`;
}

describe("Python", () => {
  test("says once what a real-time node could not get, and runs", async () => {
    const file = writeProgram(
      "test.py",
      `
from rtnode import PeriodicNode
class Test(PeriodicNode):
    def init(self):
        print(*self.identity, sep="\\n")
        return 0
    def step(self):
        return 4 if self.cycles == 3 else 0
    def finalize(self):
        return 0
Test(period=0.001).main()`,
    );
    const node = startPython(file);
    const { exitCode, stdout, stderr } = await node.ended;
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(/^test: not real-time: .*memory is not locked; start it with rt-launch$/);
    const [name, platform, pid, unique] = stdout.split("\n");
    expect([name, pid]).toEqual(["test", String(node.pid)]);
    expect(platform).not.toBe("");
    expect(unique).toMatch(identityPattern);
  });

  test("the collector is off in run, and a library that switches it on is reported", async () => {
    const quiet = await startPython(writeProgram("test.py", collecting("[[] for _ in range(10000)]"))).ended;
    expect(quiet).toEqual({ exitCode: 0, stdout: "False 0\nTrue", stderr: "" });
    const noisy = await startPython(writeProgram("test.py", collecting("gc.enable(); gc.collect()"))).ended;
    expect(noisy.stderr).toBe("test: the collector was switched on in run and ran 1 times");
  });

  test("SIGXCPU, the soft limit of rttime, becomes an exception in a step that never ends", async () => {
    const program = `
import os, signal
from rtnode import PeriodicNode
class Test(PeriodicNode):
    def init(self):
        return 0
    def step(self):
        os.kill(os.getpid(), signal.SIGXCPU)
        while True:
            pass
    def finalize(self):
        print("finalized")
        return 0
Test(period=0.001, realtime=False).main()`;
    const { exitCode, stdout, stderr } = await startPython(writeProgram("test.py", program)).ended;
    expect({ exitCode, stdout }).toEqual({ exitCode: 70, stdout: "finalized" });
    expect(stderr).toContain("ran longer without blocking than its rttime allows (SIGXCPU)");
  });

  test("a step that never ends leaves finalize all the time it needs", async ({ skip }) => {
    if (!(await mayBeRealtime())) skip("no right to real-time policies");
    const program = `
import time
from rtnode import PeriodicNode
class Test(PeriodicNode):
    def init(self):
        return 0
    def step(self):
        while True:
            pass
    def finalize(self):
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            pass
        print("finalized")
        return 0
Test(period=0.001, priority=10).main()`;
    const node = startPython(writeProgram("test.py", program), { RTNODE_RTTIME: "50000" });
    expect(await node.ended).toMatchObject({ exitCode: 70, stdout: "finalized" });
  });

  test("runs without the library too", async () => {
    const file = writeProgram(
      "test.py",
      "from rtnode import _clock as c\nt = c.now() + 1000\nprint(c.sleep_until(t), c.now() >= t)",
    );
    const { stdout } = await startPython(file, { RTNODE_LIBRARY: "/no/such/library.so" }).ended;
    expect(stdout).toBe("0 True");
  });
});

describe("TypeScript", () => {
  const program = `
import { PeriodicNode } from "rtnode";
class Test extends PeriodicNode {
  constructor() { super({ period: 0.001, priority: 20 }); }
  init() { console.log(Object.values(this.identity).join("\\n")); return 0; }
  step() { return this.cycles === 3 ? 4 : 0; }
  finalize() { return 0; }
}
await new Test().main();`;

  test("says once what a real-time node could not get, and runs", async () => {
    const file = await bundle(writeProgram("test.ts", program));
    const node = startTypeScript(file, { RTNODE_NAME: "test" });
    const { exitCode, stdout, stderr } = await node.ended;
    expect(exitCode).toBe(4);
    expect(stderr).toMatch(
      /^test: not real-time: .*memory is not locked; start it with rt-launch --policy fifo --priority 20 --lock-memory$/,
    );
    const [name, platform = hostname(), pid, unique] = stdout.split("\n");
    expect([name, pid]).toEqual(["test", String(node.pid)]);
    expect(platform).not.toBe("");
    expect(unique).toMatch(identityPattern);
  });

  test("without the addon the loop runs on timers, and that is said; launched on a board it does not start", async () => {
    const file = await bundle(writeProgram("test.ts", program));
    const byHand = await startTypeScript(file, { RTNODE_ADDON: "/no/such/rtnode.node" }).ended;
    expect(byHand.exitCode).toBe(4);
    expect(byHand.stderr).toContain(
      "/no/such/rtnode.node is not there: the loop runs on timers, and there are no datagrams",
    );
    const launched = await startTypeScript(file, { RTNODE_ADDON: "/no/such/rtnode.node", RTNODE_LAUNCHED: "1" }).ended;
    expect(launched.exitCode).toBe(1);
    expect(launched.stdout).toBe("");
  });
});

/** A TypeScript node with the given body, whose finalize takes a while. */
async function typescriptNode(body: string, base = "RTNode", options = "{ realtime: false }"): Promise<string> {
  const text = `
import { PeriodicNode, RTNode } from "rtnode";
class Test extends ${base} {
  init() { return 0; }
  ${body}
  finalize() { return new Promise((done) => setTimeout(() => { console.log("finalized"); done(0); }, 100)); }
}
await new Test(${options}).main();`;
  return bundle(writeProgram("test.ts", text));
}

/** The hardware address at the end of a unique id. */
function addressOf(text: string): string | undefined {
  return /:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})$/m.exec(text)?.[1];
}

describe("TypeScript, beside its calls", () => {
  test.each(["throw new Error('broken')", "Promise.reject(new Error('broken'))"])(
    "an exception of a callback, %s, becomes status 70, reported once, and does not cut finalize short",
    async (callback) => {
      const file = await typescriptNode(
        `run() { setInterval(() => { ${callback}; }, 1); return new Promise(() => {}); }`,
      );
      const { exitCode, stdout, stderr } = await startTypeScript(file).ended;
      expect({ exitCode, stdout }).toEqual({ exitCode: 70, stdout: "finalized" });
      expect(stderr.match(/^node: a callback: Error: broken$/gm)).toHaveLength(1);
    },
  );

  test("a second SIGTERM ends a run that does not look at stopping", async () => {
    const started = startTypeScript(
      await typescriptNode(`run() { console.log("ready"); return new Promise((done) => setTimeout(done, 60_000)); }`),
    );
    await started.printed(/ready/);
    started.kill("SIGTERM");
    const again = setInterval(() => started.kill("SIGTERM"), 200);
    const { exitCode, stdout } = await started.ended;
    clearInterval(again);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "ready\nfinalized" });
  });

  test.each(["rtnode.node", "no-addon"])("an async step is a mistake, and said (%s)", async (addon) => {
    const file = await typescriptNode(
      "async step() { return 0; }",
      "PeriodicNode",
      "{ period: 0.001, realtime: false }",
    );
    const { exitCode, stderr } = await startTypeScript(file, addon === "no-addon" ? { RTNODE_ADDON: "/none" } : {})
      .ended;
    expect(exitCode).toBe(70);
    expect(stderr).toContain("step returned [object Promise]; it must return an integer, at once");
  });

  test("the hardware address is the one that a Python node has", async () => {
    const typescript = await typescriptNode(`run() { console.log(this.identity.uniqueId); return 0; }`);
    const python = writeProgram("test.py", "from rtnode._identity import identify\nprint(identify('test').unique_id)");
    const [one, other] = await Promise.all([startTypeScript(typescript).ended, startPython(python).ended]);
    expect(addressOf(one.stdout)).toBeDefined();
    expect(addressOf(one.stdout)).toBe(addressOf(other.stdout));
  });
});

describe.each([
  {
    language: "Python",
    start: async (word: string, value: string) =>
      startPython(
        writeProgram(
          "test.py",
          `
from rtnode import PeriodicNode
class Test(PeriodicNode):
    init = step = finalize = lambda self: 0
Test(**{"period": 1, "${word}": ${value === "Infinity" ? "float('inf')" : value}})`,
        ),
      ),
  },
  {
    language: "TypeScript",
    start: async (word: string, value: string) =>
      startTypeScript(
        await bundle(
          writeProgram(
            "test.js",
            `
import { PeriodicNode } from "rtnode";
class Test extends PeriodicNode { init() { return 0; } step() { return 0; } finalize() { return 0; } }
new Test({ period: 1, ${word}: ${value} });`,
          ),
        ),
      ),
  },
])("the constructor in $language refuses", ({ start }) => {
  test.each([
    ["period", "0", "period is a number of seconds above 0, not 0"],
    ["period", "1e-10", "period is a number of seconds above 0, not 1e-10"],
    ["period", "Infinity", /period is a number of seconds above 0, not [Ii]nf/],
    ["overrun", '"sometimes"', /overrun is skip, catch-up or stop, not '?sometimes/],
    ["policy", '"other"', /policy is fifo or rr, not '?other/],
    ["priority", "99", "priority is from 1 to 98, not 99"],
  ])("%s: %s", async (word, value, message) => {
    const { exitCode, stderr } = await (await start(word, value)).ended;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe("datagram sockets behave alike", () => {
  /** Two sockets of one process: what every call returns, in order; errors by their names. */
  const scripts = {
    Python: `
import errno
from rtnode import DatagramSocket
name = lambda n: n if n >= 0 else errno.errorcode[-n]
a, b = DatagramSocket("a", 8), DatagramSocket("b", 8)
to_b, to_c = a.peer("b"), a.peer("c")
print(name(b.receive()), name(a.send(to_c, b"x")))
print(name(a.send(to_b, b"four")), name(b.receive()), bytes(b.buffer[:4]).decode())
print(name(a.send(to_b, b"more than eight")), name(b.receive()))
b.close()
print(name(a.send(to_b, b"x")))
again = DatagramSocket("a", 8)
`,
    TypeScript: `
import { DatagramSocket } from "rtnode";
import { constants } from "node:os";
const name = (n) => (n >= 0 ? n : Object.entries(constants.errno).find(([, value]) => value === -n)[0]);
const bytes = (text) => new TextEncoder().encode(text);
const a = new DatagramSocket("a", 8), b = new DatagramSocket("b", 8);
const toB = a.peer("b"), toC = a.peer("c");
console.log(name(b.receive()), name(a.send(toC, bytes("x"))));
console.log(name(a.send(toB, bytes("four"))), name(b.receive()), new TextDecoder().decode(b.buffer.subarray(0, 4)));
console.log(name(a.send(toB, bytes("more than eight"))), name(b.receive()));
b.close();
console.log(name(a.send(toB, bytes("x"))));
const again = new DatagramSocket("a", 8);
`,
  };
  const expected = "EAGAIN ENOENT\n0 4 four\n0 EMSGSIZE\nENOENT";

  test.each(["Python", "TypeScript"] as const)("%s", async (language) => {
    const dir = scratchDir("rtnode-");
    const env = { RTNODE_RUNTIME_DIR: dir };
    const node =
      language === "Python"
        ? startPython(writeProgram("test.py", scripts.Python), env)
        : startTypeScript(await bundle(writeProgram("test.ts", scripts.TypeScript)), env);
    expect(await node.ended).toMatchObject({ exitCode: 0, stdout: expected });
  });

  test("a file that is no socket is not removed", async () => {
    const dir = scratchDir("rtnode-");
    symlinkSync("/etc/hostname", join(dir, "a.sock"));
    const env = { RTNODE_RUNTIME_DIR: dir };
    const python = await startPython(writeProgram("test.py", scripts.Python), env).ended;
    expect(python.stderr).toContain("Address already in use");
    const typescript = await startTypeScript(await bundle(writeProgram("test.ts", scripts.TypeScript)), env).ended;
    expect(typescript.stderr).toContain("a.sock: EADDRINUSE");
  });
});
