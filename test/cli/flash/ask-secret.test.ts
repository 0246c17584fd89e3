import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { askSecret } from "../../../src/cli/flash/ask-secret.ts";

/** A terminal on which these keys are pressed. */
async function ask(keys: string): Promise<{ answer: Promise<string>; shown: () => string }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Error("interrupted"));
  const answer = askSecret("Pass-phrase: ", { input, output, interrupt, signal: abort.signal });
  input.write(keys);
  if (keys === "") input.end();
  return { answer, shown: () => String(output.read()) };
}

it("gives what was typed, corrections and all, and shows nothing of it", async () => {
  const { answer, shown } = await ask("secre\x7fet!\r");
  expect(await answer).toBe("secret!");
  expect(shown()).toBe("Pass-phrase: \n");
});

it("ends with Ctrl-C", async () => {
  const { answer } = await ask("sec\x03");
  await expect(answer).rejects.toThrow("interrupted");
});

it("gives nothing when the terminal goes away", async () => {
  const { answer } = await ask("");
  expect(await answer).toBe("");
});
