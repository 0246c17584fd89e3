// A command that says a line every few milliseconds until it is told to end, and then needs a moment to put things in order.
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../../src/cli/session.ts";

const [inOrder = ""] = process.argv.slice(2);
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
process.exitCode = await runCommand({}, async ({ signal, emit }) => {
  try {
    for (;;) {
      process.stdout.write("a line\n");
      await sleep(5, undefined, { signal });
    }
  } finally {
    emit({ type: "warning", message: "putting things in order" });
    process.stdout.write("one more\n");
    await sleep(20);
    writeFileSync(inOrder, "");
  }
});
