/** Reads the kernel's list of CPUs, `0-2,5`; what is no list is empty. No system has more than 4096. */
export function parseCpuList(text: string): readonly number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(",")) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    if (first === undefined) continue;
    for (let cpu = Number(first); cpu <= Math.min(Number(last), MAX_CPUS); cpu += 1) cpus.push(cpu);
  }
  return cpus;
}

const MAX_CPUS = 4095;

/** Those that are in both lists. */
export function common(some: readonly number[], others: readonly number[]): readonly number[] {
  return some.filter((cpu) => others.includes(cpu));
}
