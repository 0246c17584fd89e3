import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/fixtures/**"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A rented machine stands still at times, and the kernel ends a real-time node for the time that it was not
          // running. What fails twice is broken.
          retry: process.env["CI"] === undefined ? 0 : 1,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
