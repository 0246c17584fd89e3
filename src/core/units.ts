/** Binary suffixes of sizes, as Kubernetes and dd read K, M and G: powers of 1024. */
const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

const DURATION_UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, min: 60e9 };

/** Seconds. */
const SPAN_UNITS: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** Bytes of a size such as `512K`, `16M`, `1G`, `4096` (suffixes are powers of 1024; `KiB`, `MiB` are accepted), or undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (SIZE_UNITS[(match[2] ?? "").toUpperCase()] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Nanoseconds of a duration such as `5ms`, `250us`, `1.5s`, or undefined when it is none. A unit is required. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|min)$/.exec(text.trim());
  if (match === null) return undefined;
  const nanoseconds = Math.round(Number(match[1]) * (DURATION_UNITS[match[2] ?? ""] ?? Number.NaN));
  return Number.isSafeInteger(nanoseconds) ? nanoseconds : undefined;
}

/** Seconds of a span of time as people say it: `90s`, `10min` or `10m`, `2h`, `3d`, `1w`, `1h30min`, or undefined when it is none. */
export function parseSpan(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?\s*(?:s|sec|m|min|h|d|w)\s*)+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (SPAN_UNITS[unit ?? ""] ?? Number.NaN), 0);
}

/** A size for people: `1.2 GiB`, `36 MiB`, `512 B`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A time span for people, from milliseconds: `0.3 s`, `1 min 5 s`. */
export function formatMs(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** CPU numbers as the kernel writes a CPU list: `0-2,4`. See Documentation/admin-guide/kernel-parameters.rst, "cpu lists". */
export function formatCpuList(cpus: readonly number[]): string {
  const sorted = [...new Set(cpus)].toSorted((a, b) => a - b);
  const ranges: string[] = [];
  for (let start = 0; start < sorted.length;) {
    let end = start;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1;
    ranges.push(start === end ? `${sorted[start]}` : `${sorted[start]}-${sorted[end]}`);
    start = end + 1;
  }
  return ranges.join(",");
}
