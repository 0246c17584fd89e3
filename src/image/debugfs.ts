import type { Toolbox } from "../core/toolbox.ts";

/** Reads an ext4 file system inside an image file, as an ordinary user. Symbolic links in paths are not followed. */
export interface Ext4Reader {
  /** A text file's content; null when there is no such file. */
  readonly text: (path: string) => Promise<string | null>;
  /** Names in a folder, sorted; empty when there is no such folder. */
  readonly list: (path: string) => Promise<string[]>;
  /** What a symbolic link holds; null when there is none. */
  readonly link: (path: string) => Promise<string | null>;
}

/** Opens the ext4 at `offset` bytes of an image with debugfs(8), which e2fsprogs lets read `FILE?offset=N`. */
export function readExt4(tools: Toolbox, image: string, offset: number): Ext4Reader {
  const ask = async (command: string, path: string): Promise<string | null> => {
    // debugfs takes a quoted word, but no escaped quote in it. Names of that kind are none that rtkit looks for.
    if (/["\n]/.test(path)) return null;
    const { stdout, stderr } = await tools.run("debugfs", ["-R", `${command} "${path}"`, `${image}?offset=${offset}`]);
    return /File not found by ext2_lookup/.test(stderr) ? null : stdout;
  };
  return {
    text: async (path) => ask("cat", path),
    list: async (path) => parseListing((await ask("ls -p", path)) ?? ""),
    link: async (path) => {
      const status = await ask("stat", path);
      if (status === null || !/Type: symlink/.test(status)) return null;
      // Up to 59 bytes stand in the inode itself.
      return /^Fast link dest: "(.*)"$/m.exec(status)?.[1] ?? (await ask("cat", path));
    },
  };
}

/** Names from `ls -p` of debugfs(8), whose lines are `/inode/mode/uid/gid/name/size/`. */
export function parseListing(text: string): string[] {
  return text
    .split("\n")
    .flatMap((line) => /^\/\d+\/\d+\/\d+\/\d+\/([^/]+)\/\d*\/$/.exec(line)?.[1] ?? [])
    .filter((name) => name !== "." && name !== "..")
    .toSorted();
}
