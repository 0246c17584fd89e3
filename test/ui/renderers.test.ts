import { expect, it } from "vitest";
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

it("writes plain lines with titles and durations, without progress", () => {
  const lines: string[] = [];
  const listener = plainListener((line) => lines.push(line));
  for (const event of events) listener(event);
  expect(lines).toEqual([
    "Debian packages: started",
    "warning: no ssh key\n  → add one",
    "Debian packages: done (1.2 s)",
  ]);
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

it("shows a mistake with place, code and hint, in both forms", () => {
  const error = new RtkitError("RTK_TEST", "priority 99 is taken", {
    hint: "choose 1 to 98",
    where: { file: "rtkit.yaml", line: 3, column: 7 },
  });
  expect(formatError(error)).toBe("rtkit.yaml:3:7: priority 99 is taken [RTK_TEST]\n  → choose 1 to 98");
  expect(JSON.parse(errorLine(error))).toEqual({
    type: "error",
    code: "RTK_TEST",
    message: "priority 99 is taken",
    hint: "choose 1 to 98",
    where: { file: "rtkit.yaml", line: 3, column: 7 },
  });
});
