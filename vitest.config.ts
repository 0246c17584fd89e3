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

/** Emulated machines whose loops nobody watches closely: as many at once as there are CPUs, since each keeps one busy. */
const PATIENT_MACHINES = ["test/e2e/{bootstrap,first-boot,kernel-image,power-cut}.test.ts"];

/** Without a machine: scripts/test-e2e runs them in what the other machines leave of the CPUs. */
const BESIDE = ["test/e2e/{kernel-compile,native-speed}.test.ts"];

const e2e = { testTimeout: 3_600_000, hookTimeout: 3_600_000 };

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
          exclude: [...PATIENT_MACHINES, ...BESIDE],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          ...e2e,
        },
      },
      {
        test: {
          name: "e2e-beside",
          include: BESIDE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          ...e2e,
        },
      },
      {
        test: {
          name: "e2e-together",
          include: PATIENT_MACHINES,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 3 },
          ...e2e,
        },
      },
    ],
  },
});
