import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listBoards, loadBoard } from "../../src/config/boards.ts";
import { loadProject } from "../../src/config/load.ts";
import { userErrors } from "../../src/ui/error-text.ts";
import { corpus, projectFolder, scratchFolder } from "./fixtures.ts";

describe("the boards rtkit comes with", () => {
  it("are sorted by name and frozen all the way down", async () => {
    const boards = await listBoards();
    expect(boards.map(({ name }) => name)).toEqual(["qemu-arm64", "qemu-x86_64", "rpi4"]);
    expect(Object.isFrozen(boards[0]?.partitions[0])).toBe(true);
  });

  it("rpi4 is a Raspberry Pi 4 as its firmware boots it", async () => {
    const board = await loadBoard("rpi4");
    expect(board).toMatchObject({
      architecture: "arm64",
      cpus: 4,
      kernel: { package: "linux-image-rt-arm64" },
      firmware: { family: "raspberrypi", blobs: ["start4.elf", "fixup4.dat"], config: [] },
      consoles: ["tty0", "ttyS1,115200"],
      qemu: { memory: 1024 ** 3 },
    });
    expect(board.partitions.map(({ content, mount, size, grow }) => ({ content, mount, size, grow }))).toEqual([
      { content: "boot", mount: "/boot/firmware", size: 256 * 1024 ** 2, grow: false },
      { content: "root", mount: "/", size: "auto", grow: false },
      { content: "data", mount: "/opt/rtnode", size: "auto", grow: true },
    ]);
  });
});

it("a board file of the project's own is named after its file", async () => {
  const board = await loadBoard("boards/bench.yaml", { dir: join(corpus, "project") });
  expect(board.name).toBe("bench");
});

it("a board file's mistakes are told at its own places, with the project's", async () => {
  const folder = await projectFolder({ text: "name: arm\nboard: ./broken.yaml\nnodes: {}\n" });
  await writeFile(join(folder, "broken.yaml"), "cpu: 4\n");
  const failure: unknown = await loadProject({ cwd: folder }).catch((error: unknown) => error);
  const mistakes = userErrors(failure).map(({ code, where }) => `${where?.file}:${where?.line} ${code}`);
  expect(mistakes).toContain("broken.yaml:1 RTK_CONFIG_UNKNOWN_KEY");
  expect(mistakes).toContain("broken.yaml:1 RTK_CONFIG_MISSING_KEY");
  expect(mistakes).toContain("rtkit.yaml:3 RTK_CONFIG_VALUE");
});

it("a board that the command line names wrongly has no place in a file", async () => {
  await expect(loadBoard("rpi9000")).rejects.toMatchObject({ code: "RTK_BOARD_UNKNOWN", where: undefined });
});

it("a board file whose name cannot be part of a file name is refused", async () => {
  const folder = await scratchFolder();
  await expect(loadBoard("./My Board.yaml", { dir: folder })).rejects.toMatchObject({
    code: "RTK_BOARD_UNKNOWN",
    message: '"My Board" is not a usable name of a board',
  });
});
