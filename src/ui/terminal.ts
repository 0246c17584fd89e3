import { Listr, ListrTaskState, type ListrTaskWrapper } from "listr2";
import { formatMs } from "../core/units.ts";
import type { Listener, PipelineEvent } from "../pipeline/events.ts";

type Task = ListrTaskWrapper<unknown, never, never>;

/** One step as the task list shows it: listr2 runs a function per task, which here waits for the step's end. */
interface Row {
  title: string;
  readonly ended: PromiseWithResolvers<void>;
  task: Task | undefined;
  state: "waiting" | "running" | "ended";
}

/** A renderer for terminals. */
export interface TerminalRenderer {
  readonly listener: Listener;
  /** Ends the list and gives the terminal back; steps that never ran are shown as skipped. */
  readonly finish: () => Promise<void>;
}

/**
 * Shows all steps at once with listr2: a mark for each that waits, a spinner with its progress for each that runs, its
 * duration when it ended.
 */
export function terminalRenderer(): TerminalRenderer {
  const rows = new Map<string, Row>();
  const warnings: string[] = [];
  let list: Promise<unknown> | undefined;

  const start = (event: PipelineEvent & { type: "plan" }): void => {
    for (const step of event.steps) {
      const ended = Promise.withResolvers<void>();
      rows.set(step.name, { title: step.title, ended, task: undefined, state: "waiting" });
    }
    const tasks = [...rows.values()].map((row) => ({
      title: row.title,
      task: async (_: unknown, task: unknown): Promise<void> => {
        row.task = task as Task;
        row.task.title = row.title;
        // To listr2 a task runs from here on.
        if (row.state === "waiting") row.task.task.state$ = ListrTaskState.WAITING;
        await row.ended.promise;
      },
    }));
    list = new Listr(tasks, { concurrent: true, exitOnError: false, registerSignalListeners: false }).run();
  };

  const listener: Listener = (event) => {
    if (event.type === "plan") return start(event);
    if (event.type === "warning") {
      warnings.push(`warning: ${event.message}${event.hint === undefined ? "" : `\n  → ${event.hint}`}`);
      return;
    }
    if (event.type === "target") return;
    const row = rows.get(event.name);
    if (row === undefined) return;
    if (event.type === "progress") {
      if (row.task !== undefined) row.task.output = event.text;
      return;
    }
    if (event.status === "started") {
      row.state = "running";
      if (row.task !== undefined) row.task.task.state$ = ListrTaskState.STARTED;
      return;
    }
    row.state = "ended";
    const { title } = row;
    row.title = `${title} (${describeEnd(event)})`;
    if (row.task !== undefined) row.task.title = row.title;
    if (event.status === "failed") row.ended.reject(new Error(`${title} failed`));
    else row.ended.resolve();
  };

  const finish = async (): Promise<void> => {
    for (const row of rows.values()) {
      if (row.state !== "ended") row.task?.skip(row.title);
      row.ended.resolve();
    }
    await list;
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
  };
  return { listener, finish };
}

function describeEnd(event: PipelineEvent & { type: "step" }): string {
  return event.status === "cached" ? "cached" : formatMs(event.ms);
}
