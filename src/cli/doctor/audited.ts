import type { AuditFacts } from "../../audit/facts.ts";
import type { BoardFinding, Setting } from "../../audit/finding.ts";

/** A finding that the board was told to mend. */
export interface Mended {
  readonly id: string;
  readonly setting: Setting;
  /** What was seen before, and afterwards. */
  readonly was: string;
  readonly is: string;
  /** True when another look found nothing to say of it. */
  readonly ok: boolean;
}

/** What an audit of a board came to. */
export interface Audited {
  readonly facts: AuditFacts;
  readonly findings: readonly BoardFinding[];
  /** Null without `--fix`. */
  readonly mended: readonly Mended[] | null;
  /** What the board said of what it could not mend. */
  readonly complaints: readonly string[];
}
