import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const unit = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // A rented machine stands still at times, and the kernel ends a real-time node for the time that it was not running.
  // What fails twice is broken.
  retry: process.env["CI"] === undefined ? 0 : 1,
};

/** Real-time loops: side by side they would take each other's CPU. */
const REALTIME = ["test/device/**/*.test.ts", "test/sdk/**/*.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/fixtures/**", ...REALTIME],
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
          ...unit,
        },
      },
      {
        test: {
          name: "realtime",
          include: REALTIME,
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
