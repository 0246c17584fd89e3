/** How bad a finding is. What each means for an exit status is the command's. */
export type Severity = "ok" | "info" | "medium" | "high";

/** One thing that was looked at, on this computer or on a board. */
export interface Finding<Area extends string = string> {
  /** Stays the same from version to version: `kernel-realtime`, `program-lsblk`, an error code of builds. */
  readonly id: string;
  readonly area: Area;
  readonly severity: Severity;
  /** What was seen: of a board the file and its value. */
  readonly evidence: string;
  /** What mends it, a command where there is one; null where there is nothing to mend. */
  readonly remedy: string | null;
}

/** The parts of a board that an audit looks at, in the order that they are shown in. */
export const BOARD_AREAS = ["board", "kernel", "cpus", "memory", "tasks", "nodes", "system"] as const;

/** One of {@link BOARD_AREAS}. */
export type BoardArea = (typeof BOARD_AREAS)[number];

/** A setting that the board puts back by itself, `rtnodectl mend SETTING` (src/device/mend.sh). */
export type Setting = "governor" | "memory" | "interrupts" | "fair_server" | "settings" | "throttling" | "swap";

/** One thing that was looked at on a board. */
export interface BoardFinding extends Finding<BoardArea> {
  /** Why it matters to a real-time node. */
  readonly why: string;
  /** What `--fix` has the board do about it; null where it is not safe, or there is nothing to do. */
  readonly mends: Setting | null;
}
