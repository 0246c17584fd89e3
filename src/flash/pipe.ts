import { constants } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../core/exec.ts";
import { makeTempDir } from "../core/temp-dir.ts";

/** Both ends of a pipe of our own: Node makes none that is read into buffers, or written to on another thread. */
export async function makePipe(): Promise<{ readonly read: FileHandle; readonly write: FileHandle }> {
  const folder = await makeTempDir("rtkit-pipe-");
  try {
    const path = join(folder, "pipe");
    await exec("mkfifo", ["-m", "600", path]);
    // An end waits until the other is there; what is opened for both does not, fifo(7).
    const both = await open(path, constants.O_RDWR);
    const read = await open(path, constants.O_RDONLY);
    const write = await open(path, constants.O_WRONLY);
    await both.close();
    return { read, write };
  } finally {
    await rm(folder, { recursive: true });
  }
}
