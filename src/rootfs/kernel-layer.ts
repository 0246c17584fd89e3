import { join } from "node:path";
import type { Place } from "../core/errors.ts";
import type { StepOutput } from "../pipeline/step.ts";
import type { Layer, LayerEntry } from "./layer.ts";

/** Where a compiled kernel's step has the modules. */
const MODULES = "modules/lib/modules/";

/** The layer that a compiled kernel becomes, below all overlays: its modules, and the configuration it was made with. */
export function kernelLayer({ dir, files }: StepOutput, release: string, where: Place): Layer {
  const entry = (path: string, name: string): LayerEntry => {
    const record = files[name];
    if (record === undefined) throw new Error(`${dir} has no ${name}`);
    const content = { kind: "file" as const, source: join(dir, name), ...record };
    return { path, content, mode: 0o644, owner: "root", group: "root", where };
  };
  const modules = Object.keys(files).filter((name) => name.startsWith(MODULES));
  const entries = [
    entry(`boot/config-${release}`, "kernel/config"),
    ...modules.map((name) => entry(`usr/lib/modules/${name.slice(MODULES.length)}`, name)),
  ];
  return {
    name: `kernel ${release}`,
    entries: entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    replaces: new Map(),
  };
}
