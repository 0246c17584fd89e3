/** What happens to a step while a command runs. `ms` is wall time. */
export type StepStatus = "started" | "cached" | "done" | "failed";

/** One thing that happened; renderers in src/ui show it. */
export type PipelineEvent =
  /** The steps that will run, in display order, before any of them starts. */
  | { readonly type: "plan"; readonly steps: readonly { readonly name: string; readonly title: string }[] }
  | { readonly type: "step"; readonly name: string; readonly status: StepStatus; readonly ms: number }
  /** Where a running step is, in a few words (`unpacking python3`); may come many times a second. */
  | { readonly type: "progress"; readonly name: string; readonly text: string }
  /** What came of a part of the work, for programs: the same that stands in the command's result at the end. */
  | { readonly type: "target"; readonly result: object }
  | { readonly type: "warning"; readonly message: string; readonly hint?: string };

/** Hears events. Must not throw. */
export type Listener = (event: PipelineEvent) => void;
