import type { Project } from "../config/model.ts";
import { usageError } from "../core/errors.ts";
import { parseSize } from "../core/units.ts";

/** The emulated machine's CPUs and memory (bytes). */
export interface MachineSize {
  readonly cpus: number;
  readonly memory: number;
}

/**
 * What `--cpus` and `--memory` ask for, else what the board has.
 * Throws RTK_EMULATE_CPUS when it is no number or a node is pinned to a CPU beyond it, RTK_EMULATE_MEMORY_SIZE.
 */
export function machineSize(
  project: Pick<Project, "board" | "nodes">,
  asked: { readonly cpus?: string; readonly memory?: string },
): MachineSize {
  const { board, nodes } = project;
  const cpus = asked.cpus === undefined ? board.cpus : Number(asked.cpus);
  if (!Number.isInteger(cpus) || cpus < 1) {
    throw usageError("RTK_EMULATE_CPUS", `--cpus ${asked.cpus} is not a number of CPUs`, { hint: "say e.g. --cpus 4" });
  }
  const stranded = nodes.find(({ schedule }) => schedule.cpus.some((cpu) => cpu >= cpus));
  if (stranded !== undefined) {
    const needed = Math.max(...stranded.schedule.cpus);
    throw usageError(
      "RTK_EMULATE_CPUS",
      `node ${stranded.name} runs on CPU ${needed}, which --cpus ${cpus} leaves out`,
      {
        hint: `CPUs are numbered from 0: say --cpus ${needed + 1} or more`,
      },
    );
  }
  const memory = asked.memory === undefined ? board.qemu.memory : parseSize(asked.memory);
  if (memory === undefined || memory === 0) {
    throw usageError("RTK_EMULATE_MEMORY_SIZE", `--memory ${asked.memory} is not a size`, {
      hint: "say e.g. --memory 2G",
    });
  }
  return { cpus, memory };
}

/** Seconds of `--timeout`. Throws RTK_EMULATE_TIMEOUT_VALUE. */
export function timeoutSeconds(asked: string): number {
  const seconds = Number(asked);
  // The longest delay that a timer of Node.js takes is 2^31-1 ms.
  if (seconds > 0 && seconds * 1000 < 2 ** 31) return seconds;
  throw usageError("RTK_EMULATE_TIMEOUT_VALUE", `--timeout ${asked} is not a number of seconds`, {
    hint: "say e.g. --timeout 600",
  });
}
