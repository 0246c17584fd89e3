import { execa } from "execa";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";

/** What systemd would hear. */
export interface Listener {
  readonly name: string;
  readonly heard: () => string[];
  /** Waits until so many messages of this text came. */
  readonly hears: (text: string, count: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function until(met: () => boolean): Promise<void> {
  while (!met()) await delay(5);
}

/** Listens at a socket, by its path or with `@` by its abstract name, until the test has ended. */
export async function listen(name: string): Promise<Listener> {
  const script = join(rtkitRoot, "test", "device", "programs", "notify-listener.py");
  const child = execa("/usr/bin/python3", [script, name], { reject: false });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await until(() => output.startsWith("listening\n"));
  const heard = (): string[] => output.split("\n").slice(1, -1);
  return {
    name,
    heard,
    close: async () => {
      child.kill("SIGKILL");
      await child;
    },
    hears: (text, count) => until(() => heard().filter((line) => line.endsWith(` ${text}`)).length >= count),
  };
}
