import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const unit = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // A rented machine stands still at times, and the kernel ends a real-time node for the time that it was not running.
  // What fails twice is broken.
  retry: process.env["CI"] === undefined ? 0 : 1,
};

/** The board's shell programs: hundreds of processes each, and no loop that others could disturb. */
const SHELL =
  "test/device/{audit,bootstrap,deploy,disk,mend,power-cut,receive,record,release,rtnodectl,status,watch}.test.ts";

/** Real-time loops: side by side they would take each other's CPU. */
const REALTIME = ["test/device/**/*.test.ts", "test/sdk/**/*.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/!(e2e|fixtures|device|sdk)/**/*.test.ts", "test/*.test.ts", SHELL],
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
          ...unit,
        },
      },
      {
        test: {
          name: "realtime",
          include: REALTIME,
          exclude: [SHELL],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          ...unit,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
