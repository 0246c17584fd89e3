import type { Release, ReleaseNode } from "../../src/deploy/release.ts";
import { sha256 } from "../../src/pipeline/digest.ts";

/** How a node of a test behaves on {@link ./sshd.ts fakeBoard}: it is what its bundle says. */
export type Behaviour = "runs" | "fails" | "restarts" | "slow" | "other-policy";

/** One node of {@link releaseOf}. */
export interface TestNode {
  readonly name: string;
  readonly does?: Behaviour;
  /** Makes another bundle of it. */
  readonly version?: string;
  readonly priority?: number;
}

/** A release of fifo nodes on CPU 3, in the form that the bundle domain makes. */
export function releaseOf(...nodes: readonly TestNode[]): Release {
  const files = new Map<string, Buffer>();
  const listed: ReleaseNode[] = nodes.map(({ name, does = "runs", version = "1", priority = 40 }) => {
    const bundle = Buffer.from(`${does}\n${version}\n`);
    const conf = Buffer.from(`policy fifo\npriority ${priority}\ncpus 3\nrestart on-failure\nprogram /usr/bin/true\n`);
    files.set(`nodes/${name}.pyz`, bundle);
    files.set(`nodes/${name}.conf`, conf);
    return {
      name,
      sha256: sha256(bundle),
      conf: { sha256: sha256(conf) },
      schedule: { policy: "fifo", priority, cpus: [3] },
    };
  });
  files.set("manifest.json", Buffer.from(JSON.stringify({ nodes: listed })));
  const sorted = [...files].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const sums = Buffer.from(sorted.map(([name, content]) => `${sha256(content)}  ${name}\n`).join(""));
  const blobs = new Map(sorted.map(([, content]) => [sha256(content), content]));
  return { id: sha256(sums), sums, blobs, nodes: listed };
}
