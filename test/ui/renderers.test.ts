import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { RtkitError } from "../../src/core/errors.ts";
import type { PipelineEvent } from "../../src/pipeline/events.ts";
import { formatError } from "../../src/ui/error-text.ts";
import { errorLine, ndjsonListener, resultLine } from "../../src/ui/ndjson.ts";
import { plainListener } from "../../src/ui/plain.ts";

const events: readonly PipelineEvent[] = [
  { type: "plan", steps: [{ name: "packages", title: "Debian packages" }] },
  { type: "step", name: "packages", status: "started", ms: 0 },
  { type: "progress", name: "packages", text: "unpacking" },
  { type: "warning", message: "no ssh key", hint: "add one" },
  { type: "step", name: "packages", status: "done", ms: 1234 },
];

it("writes plain lines with titles and durations, and progress every half a minute", () => {
  const lines: string[] = [];
  let time = 0;
  const listener = plainListener(
    (line) => lines.push(line),
    () => time,
  );
  for (const event of events.slice(0, 3)) listener(event);
  time = 30_000;
  for (const event of events.slice(2, 3)) listener(event);
  time = 31_000;
  for (const event of events.slice(2)) listener(event);
  expect(lines).toEqual([
    "Debian packages: started",
    "Debian packages: unpacking",
    "warning: no ssh key\n  → add one",
    "Debian packages: done (1.2 s)",
  ]);
});

it("shows on a terminal what ended and how, also when the rest never ran", async () => {
  const steps = ["tools", "bundle", "packages", "image"].map((name) => ({ name, title: `Step ${name}` }));
  const program = `
    import { terminalRenderer } from ${JSON.stringify(new URL("../../src/ui/terminal.ts", import.meta.url).href)};
    import { setTimeout } from "node:timers/promises";
    const { listener, finish } = terminalRenderer();
    const step = (name, status, ms) => listener({ type: "step", name, status, ms });
    listener({ type: "plan", steps: ${JSON.stringify(steps)} });
    step("tools", "started", 0);
    step("tools", "cached", 0);
    await setTimeout(300);
    step("bundle", "started", 0);
    step("packages", "started", 0);
    listener({ type: "progress", name: "packages", text: "unpacking" });
    step("bundle", "done", 1200);
    await setTimeout(300);
    step("packages", "failed", 2000);
    listener({ type: "warning", message: "no ssh key", hint: "add one" });
    await finish();`;
  // A program runs on a terminal of its own below script(1).
  const command = `stty columns 80 rows 24; '${process.execPath}' --input-type=module --eval "$PROGRAM"`;
  const env = { PROGRAM: program, CI: undefined, NO_COLOR: "1", FORCE_COLOR: undefined };
  const { stdout } = await exec("script", ["--quiet", "--return", "--command", command, "/dev/null"], { env });
  const shown = stripVTControlCharacters(stdout).replaceAll("\r", "");
  expect(shown).toMatch(/. Step packages\n *. unpacking\n/);
  // While the packages were being made, the image was only waiting.
  expect(shown).toMatch(/◼ Step image/);
  expect(shown.split("\n").slice(-8).join("\n")).toContain(
    [
      "✔ Step tools (cached)",
      "✔ Step bundle (1.2 s)",
      "✖ Step packages failed",
      "↓ Step image",
      "warning: no ssh key",
      "  → add one",
    ].join("\n"),
  );
});

it("writes NDJSON that programs can read", () => {
  const lines: string[] = [];
  const listener = ndjsonListener((line) => lines.push(line));
  for (const event of events) listener(event);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { type: "step", name: "packages", status: "started", ms: 0 },
    { type: "warning", message: "no ssh key", hint: "add one" },
    { type: "step", name: "packages", status: "done", ms: 1234 },
  ]);
  expect(JSON.parse(resultLine({ board: "rpi4" }))).toEqual({ type: "result", board: "rpi4" });
});

it("shows a mistake with place, code and hint, in both forms; files below the working folder by their short name", () => {
  const error = new RtkitError("RTK_TEST", "priority 99 is taken", {
    hint: "choose 1 to 98",
    where: { file: "rtkit.yaml", line: 3, column: 7 },
  });
  expect(formatError(error)).toBe("rtkit.yaml:3:7: priority 99 is taken [RTK_TEST]\n  → choose 1 to 98");
  const here = new RtkitError("RTK_TEST", "wrong", { where: { file: `${process.cwd()}/nodes/imu.py`, line: 1 } });
  expect(formatError(here)).toBe("nodes/imu.py:1: wrong [RTK_TEST]");
  const elsewhere = new RtkitError("RTK_TEST", "wrong", { where: { file: "/elsewhere/imu.py" } });
  expect(formatError(elsewhere)).toBe("/elsewhere/imu.py: wrong [RTK_TEST]");
  expect(JSON.parse(errorLine(error))).toEqual({
    type: "error",
    code: "RTK_TEST",
    message: "priority 99 is taken",
    hint: "choose 1 to 98",
    where: { file: "rtkit.yaml", line: 3, column: 7 },
  });
});
