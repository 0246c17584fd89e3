import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootBoard, type Built, type RunningBoard } from "./board.ts";
import { checkBoard } from "./board-checks.ts";
import { checkDeploy } from "./deploy-checks.ts";
import { rtkitResult } from "./cli.ts";
import { checkImage } from "./image-checks.ts";
import { checkLatency, measurableProject } from "./latency-checks.ts";

describe("the arm example on qemu-x86_64", () => {
  let project: string;
  let built: Built;
  beforeAll(async () => {
    project = await measurableProject("qemu-x86_64");
    built = await rtkitResult<Built>(["build", "--project", project]);
  });

  describe("its image", () => {
    checkImage(() => built);
  });

  describe("booted in QEMU", () => {
    let board: RunningBoard;
    beforeAll(async () => {
      board = await bootBoard(project, "qemu-x86_64");
    });
    afterAll(async () => board.stop());
    checkBoard(() => board);

    it("gives the devices of an I2C bus (q35's SMBus) to group i2c", async () => {
      expect(await board.ask("stat -c '%G %a' /dev/i2c-0")).toBe("i2c 660");
    });

    describe("measured", () => {
      checkLatency(
        () => project,
        () => board,
      );
    });

    describe("with changed nodes deployed to it", () => {
      checkDeploy(() => board, "qemu-x86_64");
    });
  });
});
