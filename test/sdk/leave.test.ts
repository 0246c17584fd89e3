import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

/** Words before a command, which then runs with something done to its output by a shell. */
function shell(script: string): string[] {
  return ["sh", "-c", script, "sh"];
}

describe.each(languages)("G2: $name leaves at once", ({ start, either }) => {
  test("with its status, and its last output written", async () => {
    const finalize = 'write("-", 1000000); write("last words", 1); return 5';
    const { exitCode, stdout } = await (await start({ base: "RTNode", finalize })).ended;
    expect(exitCode).toBe(5);
    expect(stdout).toBe(`${"-".repeat(1_000_000)}last words`);
  });

  test("nothing is torn down, and nothing that goes on is waited for", async () => {
    const above = either(
      `
import atexit, threading
atexit.register(say, "torn down")
class Witness:
    def __del__(self):
        say("torn down")
witness = Witness()
threading.Thread(target=linger).start()`,
      'process.on("exit", () => say("torn down")); linger();',
    );
    const node = await start({ base: "RTNode", above, run: "return 3" });
    expect(await node.ended).toMatchObject({ exitCode: 3, stdout: "finalized" });
  });

  test.each([
    ["output", ">&-", ""],
    ["error output", "2>&-", "finalized"],
    ["either", ">&- 2>&-", ""],
  ])("with its status when it was started without standard %s", async (_, closed, stdout) => {
    const node = await start({ step: "return when(self.n == 3, 3)" }, { before: shell(`exec "$@" ${closed}`) });
    expect(await node.ended).toEqual({ exitCode: 3, signal: undefined, stdout, stderr: expect.anything() });
  });

  test.each([0, 5])("with its status, %i, when nobody reads its output any more", async (status) => {
    const text = { base: "RTNode", finalize: `write("unread", 1); return ${status}` } as const;
    const node = await start(text, { before: shell('{ "$@"; echo "status $?" >&2; } | true') });
    expect((await node.ended).stderr).toContain(`status ${status}`);
  });

  test("an exception that cannot be told does not keep finalize from running", async () => {
    const above = either("import os\nclose = os.close", 'import { closeSync as close } from "node:fs";');
    const node = await start({ above, step: "close(2); fail(); return 0" });
    expect(await node.ended).toMatchObject({ exitCode: 70, stdout: "finalized" });
  });
});
