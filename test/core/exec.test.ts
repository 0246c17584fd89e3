import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { exec, execEnd, shellQuote } from "../../src/core/exec.ts";
import { RtkitError } from "../../src/core/errors.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { namespace } from "../../src/rootfs/namespace.ts";

it("returns what a program printed, and feeds it text or a stream", async () => {
  expect((await exec("cat", [], { input: "one\n" })).stdout).toBe("one\n");
  expect((await exec("cat", [], { stdin: Readable.from(["two", "\n"]) })).stdout).toBe("two\n");
});

it("hands arguments over as they are, without a shell", async () => {
  const { stdout } = await exec("printf", ["%s\n", "$(id); 'x' \"y\" *"]);
  expect(stdout).toBe("$(id); 'x' \"y\" *\n");
});

it("reports progress line by line", async () => {
  const lines: string[] = [];
  await exec("sh", ["-c", "printf 'a\\nb\\rc\\n' >&2"], { onStderrLine: (line) => lines.push(line) });
  expect(lines).toEqual(["a", "b", "c"]);
});

it("names the command that failed so that it can be pasted, with the last it printed", async () => {
  const failure = exec("sh", ["-c", "echo it broke >&2; exit 3", "an arg"]);
  await expect(failure).rejects.toMatchObject({
    code: "RTK_EXEC_FAILED",
    message: "sh failed (exit status 3):\nit broke",
    hint: "the command was: sh -c 'echo it broke >&2; exit 3' 'an arg'",
  });
});

it("says which program is missing and how to get it", async () => {
  await expect(exec("rtkit-no-such-program", [], { installHint: "apt-get install it" })).rejects.toMatchObject({
    code: "RTK_EXEC_MISSING",
    message: "rtkit-no-such-program is not installed",
    hint: "apt-get install it",
  });
});

it("ends the program when aborted and throws the reason", async () => {
  const abort = new AbortController();
  const running = exec("sleep", ["60"], { signal: abort.signal });
  abort.abort(new RtkitError("RTK_TEST", "stop"));
  await expect(running).rejects.toThrow("stop");
});

it("quotes only what needs it", () => {
  expect(shellQuote(["mke2fs", "-d", "a b", "it's", ""])).toBe(`mke2fs -d 'a b' 'it'\\''s' ''`);
});

const inNamespace = namespace(["sh", "-c", "echo begun >&2; sleep 600"]);

for (const [what, file, args] of [
  ["a program", "sh", ["-c", "echo begun >&2; exec sleep 600"]],
  ["all that runs in a user namespace", inNamespace.file, inNamespace.args],
] as const) {
  it(`${what} dies with us, though we are killed`, async () => {
    const script = `
      import { exec } from ${JSON.stringify(join(rtkitRoot, "src/core/exec.ts"))};
      await exec(${JSON.stringify(file)}, ${JSON.stringify(args)}, { onStderrLine: (line) => console.log(line) });`;
    const parent = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(parent.stdout, "data");
    const family = await descendants(parent.pid ?? 0);
    expect(family.length).toBeGreaterThan(0);
    parent.kill("SIGKILL");
    await expect.poll(async () => (await Promise.all(family.map(isRunning))).includes(true)).toBe(false);
  });
}

async function descendants(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const children = text.split(" ").filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(descendants))).flat()];
}

/** A zombie, which waits for somebody to take note of it, runs no more. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/^\d+ \(.*\) [ZX]/s.test(stat);
}

it("an exit status can be an answer", async () => {
  const end = await execEnd("sh", ["-c", "echo half; echo why >&2; exit 3"]);
  expect(end).toEqual({ status: 3, stdout: "half\n", stderr: "why\n" });
  expect(await execEnd("true", [])).toMatchObject({ status: 0 });
  expect(await execEnd("sh", ["-c", "kill -9 $$"])).toMatchObject({ status: null });
  await expect(execEnd("no-such-program", [])).rejects.toMatchObject({ code: "RTK_EXEC_MISSING" });
});
