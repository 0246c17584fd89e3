import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { startProcess } from "../../src/core/process.ts";
import { runDetached, runOnTerminal, type RunOptions, type Until } from "../../src/emulate/run.ts";
import { emulatedBoard } from "./board.ts";

/** A folder with a `qemu-system-x86_64` that is fake-qemu.ts first in PATH, and a private XDG_RUNTIME_DIR. */
let dir: string;

const board = { ...emulatedBoard("amd64"), architecture: "amd64" as const };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rtkit-machine-"));
  await mkdir(join(dir, "bin"));
  await mkdir(join(dir, "run"));
  const fake = join(dir, "bin", "qemu-system-x86_64");
  const script = join(rtkitRoot, "test", "fixtures", "emulate", "fake-qemu.ts");
  // The try of KVM is not what these tests are about: here it never works.
  await writeFile(
    fake,
    `#!/bin/sh\ncase " $* " in *" kvm "*) exit 1;; esac\nexec '${process.execPath}' '${script}' "$@"\n`,
  );
  await chmod(fake, 0o755);
  vi.stubEnv("PATH", `${join(dir, "bin")}:${process.env["PATH"]}`);
  vi.stubEnv("XDG_RUNTIME_DIR", join(dir, "run"));
  vi.stubEnv("FAKE_QEMU_PID", join(dir, "pid"));
  vi.stubEnv("FAKE_QEMU_TRIED", join(dir, "tried"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

function options(changes: Partial<RunOptions> = {}): RunOptions {
  return {
    board,
    image: join(dir, "image"),
    keepWrites: false,
    loadKernel: async (intoDir) => {
      await mkdir(intoDir);
      await writeFile(join(intoDir, "vmlinuz"), "");
      return { kernel: join(intoDir, "vmlinuz"), initramfs: join(intoDir, "initrd.img"), cmdline: "rw" };
    },
    progress: () => undefined,
    signal: new AbortController().signal,
    ...changes,
  };
}

function detached(scene: string, until: Partial<Until> = {}, changes: Partial<RunOptions> = {}) {
  vi.stubEnv("FAKE_QEMU", scene);
  return runDetached(options(changes), { what: "ready", timeoutSeconds: 50, ...until });
}

async function qemuPid(): Promise<number> {
  return Number(await readFile(join(dir, "pid"), "utf8"));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function expectNothingLeft(): Promise<void> {
  if (await started()) expect(isAlive(await qemuPid())).toBe(false);
  expect(await readdir(join(dir, "run"))).toEqual([]);
}

async function waitUntil(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

it("in the background: returns when the nodes are active, with what is needed to get in", async () => {
  const stages: string[] = [];
  const machine = await detached("boots", {}, { progress: (text) => stages.push(text) });
  onTestFinished(() => void process.kill(machine.pid));
  expect(machine).toMatchObject({ accelerator: "tcg", ssh: { host: "127.0.0.1", user: "robot" } });
  expect(machine.pid).toBe(await qemuPid());
  expect(machine.bootSeconds).toBeGreaterThan(0);
  expect((await stat(machine.ssh.key)).mode & 0o777).toBe(0o600);
  expect(await readFile(machine.ssh.knownHosts, "utf8")).toMatch(`[127.0.0.1]:${machine.ssh.port} ssh-ed25519 `);
  const { stdout: settings } = await exec("ssh", ["-G", "-F", machine.ssh.config, "board"]);
  for (const [name, value] of Object.entries({
    hostname: "127.0.0.1",
    port: `${machine.ssh.port}`,
    user: "robot",
    identityfile: machine.ssh.key,
    userknownhostsfile: machine.ssh.knownHosts,
  })) {
    expect(settings.split("\n")).toContain(`${name} ${value}`);
  }
  expect(await readFile(machine.serialLog, "utf8")).toContain("Linux version");
  expect(stages).toEqual([
    "reading the kernel from the image",
    "waiting for ssh",
    "imu activating",
    "imu active",
    "imu active",
  ]);
  // Kernel and initramfs were read long ago.
  await expect(access(join(machine.ssh.key, "..", "boot"))).rejects.toThrow("ENOENT");
});

it("in the background without waiting for nodes: returns when ssh answers", async () => {
  const machine = await detached("boots", { what: "ssh" });
  onTestFinished(() => void process.kill(machine.pid));
  expect(isAlive(machine.pid)).toBe(true);
});

it("a machine in the background keeps its folder while it lives; the next run removes it after", async () => {
  const first = await detached("boots", { what: "ssh" });
  const second = await detached("boots", { what: "ssh" });
  onTestFinished(() => void process.kill(second.pid));
  expect(await readdir(join(dir, "run"))).toHaveLength(2);
  process.kill(first.pid);
  await waitUntil(() => !isAlive(first.pid));
  const third = await detached("boots", { what: "ssh" });
  onTestFinished(() => void process.kill(third.pid));
  await expect(access(first.ssh.key)).rejects.toThrow("ENOENT");
  await access(second.ssh.key);
});

it("takes another port when someone took the chosen one in the meantime", async () => {
  const machine = await detached("port-taken-once");
  onTestFinished(() => void process.kill(machine.pid));
  await access(join(dir, "tried"));
  expect(await readdir(join(dir, "run"))).toHaveLength(1);
});

it("a panic is told at once, with the console's last lines", async () => {
  await expect(detached("panic")).rejects.toMatchObject({
    code: "RTK_EMULATE_PANIC",
    message:
      "the machine's kernel panicked: VFS: Unable to mount root fs; its serial console ends with:\n" +
      "  [    0.000000] Linux version 6.12\n  [    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n  [    1.1] CPU: 0 PID: 1",
  });
  await expectNothingLeft();
});

it("a machine that switches itself off before it is up is told", async () => {
  await expect(detached("power-off")).rejects.toMatchObject({
    code: "RTK_EMULATE_SWITCHED_OFF",
    message: expect.stringMatching(/reboot: Power down$/),
  });
  await expectNothingLeft();
});

it("QEMU's own death is told, with what it said", async () => {
  vi.stubEnv("FAKE_QEMU_MESSAGE", "could not load kernel");
  await expect(detached("refuses")).rejects.toMatchObject({
    code: "RTK_EMULATE_QEMU_FAILED",
    message: "qemu-system-x86_64 ended (exit status 1):\nqemu-system-x86_64: could not load kernel",
    hint: expect.stringContaining("the command was: qemu-system-x86_64 -nodefaults"),
  });
  await expectNothingLeft();
});

it("gives up after the time it was given, and says how far it came", async () => {
  await expect(detached("silent", { timeoutSeconds: 1 })).rejects.toMatchObject({
    code: "RTK_EMULATE_TIMEOUT",
    message: expect.stringMatching(/^the machine is not ready after 1 s \(waiting for ssh\); its serial console /),
  });
  await expectNothingLeft();
});

it("a node that falls over after it was active is not ready, and its failure is told", async () => {
  await expect(detached("node-falls-over")).rejects.toMatchObject({
    code: "RTK_EMULATE_NODE_FAILED",
    message: "imu failed to start",
    hint: "start the machine without --until, and over ssh see: journalctl -u rtnode@imu",
  });
  await expectNothingLeft();
});

it("never logs in to a machine with another host key", async () => {
  await expect(detached("stranger")).rejects.toMatchObject({ code: "RTK_EMULATE_HOST_KEY" });
  await expectNothingLeft();
});

it("Ctrl-C while it waits leaves nothing behind", async () => {
  const abort = new AbortController();
  const interrupted = new Error("interrupted");
  const progress = (text: string): void => {
    if (text === "waiting for ssh") void waitUntil(started).then(() => abort.abort(interrupted));
  };
  await expect(detached("silent", {}, { signal: abort.signal, progress })).rejects.toBe(interrupted);
  await expectNothingLeft();
});

it("on the terminal: returns when the machine is switched off, and leaves nothing behind", async () => {
  vi.stubEnv("FAKE_QEMU", "power-off");
  let pid: number | undefined;
  await runOnTerminal(options(), (machine) => (pid = machine.pid));
  expect(pid).toBe(await qemuPid());
  await expectNothingLeft();
});

it("on the terminal: Ctrl-C leaves nothing behind", async () => {
  vi.stubEnv("FAKE_QEMU", "silent");
  const abort = new AbortController();
  const interrupted = new Error("interrupted");
  const running = runOnTerminal(options({ signal: abort.signal }), () => {
    void waitUntil(started).then(() => abort.abort(interrupted));
  });
  await expect(running).rejects.toBe(interrupted);
  await expectNothingLeft();
});

it("on the terminal: a panic ends the machine", async () => {
  vi.stubEnv("FAKE_QEMU", "panic");
  await expect(runOnTerminal(options(), () => undefined)).rejects.toMatchObject({ code: "RTK_EMULATE_PANIC" });
  await expectNothingLeft();
});

it("says how to get QEMU when it is not installed", async () => {
  const arm = emulatedBoard("arm64");
  vi.stubEnv("PATH", join(dir, "bin"));
  await expect(runOnTerminal(options({ board: arm }), () => undefined)).rejects.toMatchObject({
    code: "RTK_EMULATE_QEMU_MISSING",
    message: "qemu-system-aarch64 is not installed",
    hint: "sudo apt-get install --no-install-recommends qemu-system-arm",
  });
});

it("what an image's kernel cannot be read from leaves no folder behind", async () => {
  const loadKernel = vi.fn<RunOptions["loadKernel"]>().mockRejectedValue(new Error("no boot partition"));
  await expect(runOnTerminal(options({ loadKernel }), () => undefined)).rejects.toThrow("no boot partition");
  expect(await readdir(join(dir, "run"))).toEqual([]);
});

it("a machine on the terminal ends when rtkit is killed and cannot clean up", async () => {
  const script = join(dir, "parent.ts");
  const program = join(rtkitRoot, "src", "core", "process.ts");
  const child = join(dir, "child");
  await writeFile(
    script,
    `import { writeFileSync } from "node:fs";
     import { startProcess } from ${JSON.stringify(program)};
     const options = { stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: false };
     const { pid } = await startProcess("sleep", ["600"], options);
     writeFileSync(${JSON.stringify(child)}, String(pid));
     setInterval(() => {}, 1000);`,
  );
  const ignored = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const parent = await startProcess(process.execPath, [script], { ...ignored, detached: false });
  await waitUntil(async () => (await readFile(child, "utf8").catch(() => "")) !== "");
  const pid = Number(await readFile(child, "utf8"));
  // Until setpriv became sleep, the parent's death would not be noticed.
  await waitUntil(async () => (await readFile(`/proc/${pid}/comm`, "utf8")) === "sleep\n");
  process.kill(parent.pid, "SIGKILL");
  await parent.ended;
  await waitUntil(() => !isAlive(pid));
  expect(isAlive(pid)).toBe(false);
});

async function started(): Promise<boolean> {
  return access(join(dir, "pid")).then(
    () => true,
    () => false,
  );
}
