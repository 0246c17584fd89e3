import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { exec, shellQuote } from "../../src/core/exec.ts";
import { RtkitError } from "../../src/core/errors.ts";

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
