import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootBoard, type Built, type RunningBoard } from "./board.ts";
import { checkBoard } from "./board-checks.ts";
import { rtkitResult } from "./cli.ts";
import { checkImage } from "./image-checks.ts";

const PROJECT = "examples/arm";

describe("the arm example on a Raspberry Pi 4", () => {
  let built: Built;
  beforeAll(async () => {
    built = await rtkitResult<Built>(["build", "--project", PROJECT, "--board", "rpi4"]);
  });

  describe("its image", () => {
    checkImage(() => built);

    it("has the files that the firmware asks for", async () => {
      const { stdout } = await execa("mdir", ["-b", "-i", `${built.image.path}@@4M`, "::"]);
      for (const file of ["config.txt", "cmdline.txt", "start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"]) {
        expect(stdout).toContain(`::/${file}`);
      }
      const config = (await execa("mtype", ["-i", `${built.image.path}@@4M`, "::config.txt"])).stdout;
      expect(config).toMatch(/^arm_64bit=1$/m);
      const cmdline = (await execa("mtype", ["-i", `${built.image.path}@@4M`, "::cmdline.txt"])).stdout;
      expect(cmdline).toContain("isolcpus=domain,managed_irq,2-3");
      expect(cmdline).toMatch(/root=PARTUUID=[0-9a-f]{8}-02/);
    });
  });

  describe("booted in QEMU, the same bytes", () => {
    let board: RunningBoard;
    beforeAll(async () => {
      board = await bootBoard(PROJECT, "rpi4");
    });
    afterAll(async () => board.stop());
    checkBoard(() => board);
  });
});
