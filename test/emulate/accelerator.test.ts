import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { chooseAccelerator, type KvmTry } from "../../src/emulate/accelerator.ts";
import { emulatedBoard } from "./board.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rtkit-kvm-"));
  await writeFile(join(dir, "kvm"), "");
  vi.stubEnv("PATH", `${dir}:${process.env["PATH"]}`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

/** A QEMU that does what a line of shell says, with the serial log's path in $log. */
async function qemu(acts: string): Promise<void> {
  const program = join(dir, "qemu-system-x86_64");
  await writeFile(program, `#!/bin/sh\nlog=\${*##*path=}; log=\${log%% *}\necho "$*" >'${dir}/args'\n${acts}\n`);
  await chmod(program, 0o755);
}

function choose(changes: Partial<KvmTry> = {}, signal = new AbortController().signal) {
  const board = emulatedBoard("amd64");
  const kernel = join(dir, "vmlinuz");
  return chooseAccelerator({ board, host: "amd64", kernel, dir, device: join(dir, "kvm"), ...changes }, signal);
}

it("is KVM when the kernel prints its first line under it", async () => {
  await qemu(`echo '[    0.000000] Linux version 6.12' >"$log"; exec sleep 600`);
  expect(await choose()).toBe("kvm");
  expect((await readdir(dir)).toSorted()).toEqual(["args", "kvm", "qemu-system-x86_64"]);
});

it("is TCG when KVM is there but fails", async () => {
  await qemu("echo 'failed to set MSR 0x10a' >&2; kill -ABRT $$");
  expect(await choose()).toBe("tcg");
});

it("is TCG when the kernel stays silent", async () => {
  await qemu(`: >"$log"; exec sleep 600`);
  expect(await choose()).toBe("tcg");
});

it("is TCG without a try where KVM cannot be", async () => {
  await qemu("exit 1");
  expect(await choose({ device: join(dir, "none") })).toBe("tcg");
  expect(await choose({ board: emulatedBoard("arm64") })).toBe("tcg");
  expect(await readdir(dir)).not.toContain("args");
});

it("ends the try when aborted", async () => {
  await qemu("exec sleep 600");
  const abort = new AbortController();
  const choosing = choose({}, abort.signal);
  abort.abort(new Error("interrupted"));
  await expect(choosing).rejects.toThrow("interrupted");
  expect(await readdir(dir)).not.toContain("kvm-try.log");
});
