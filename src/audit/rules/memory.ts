import { few, ok, value, type Rule } from "../rule.ts";

/** What moves or takes away the memory of a node. */
export const MEMORY_RULES: readonly Rule[] = [
  {
    id: "swap",
    area: "memory",
    severities: ["medium"],
    why: "a page that was swapped out comes back from a disk; nodes lock theirs, but not those of what they wait for",
    source: "Documentation/admin-guide/mm/concepts.rst; mlock(2)",
    remedy:
      "sudo swapoff --all, and take it out of /etc/fstab (Raspberry Pi OS: sudo systemctl disable --now dphys-swapfile)",
    mends: "swap",
    judge: (facts) => {
      const areas = (facts.files.get("/proc/swaps") ?? []).slice(1).map((line) => line.trim().split(/\s+/));
      if (areas.length === 0) return ok("/proc/swaps: none");
      const shown = areas.map(([name = "?", , size = "?", used = "?"]) => `${name} (${used} of ${size} KiB in use)`);
      return { severity: "medium", evidence: `/proc/swaps: ${few(shown)}` };
    },
  },
  {
    id: "huge-pages",
    area: "memory",
    severities: ["medium", "info"],
    why: "assembling huge pages moves the pages of running programs: the next touch of one is a page fault",
    source: "Documentation/admin-guide/mm/transhuge.rst",
    remedy: "echo never | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
    mends: "memory",
    judge: (facts) => {
      const path = "/sys/kernel/mm/transparent_hugepage/enabled";
      const text = value(facts, path);
      if (text === undefined) return ok(`the kernel has none (no ${path})`);
      const evidence = `${path}: ${text}`;
      if (text.includes("[never]")) return ok(evidence);
      // Only for programs that ask.
      return { severity: text.includes("[madvise]") ? "info" : "medium", evidence };
    },
  },
  {
    id: "ksm",
    area: "memory",
    severities: ["medium"],
    why: "merging equal pages turns the next write to one into a page fault",
    source: "Documentation/admin-guide/mm/ksm.rst",
    remedy: "echo 0 | sudo tee /sys/kernel/mm/ksm/run",
    mends: "memory",
    judge: (facts) => {
      const path = "/sys/kernel/mm/ksm/run";
      const text = value(facts, path);
      if (text === undefined) return ok(`the kernel has none (no ${path})`);
      return text === "1" ? { severity: "medium", evidence: `${path}: 1` } : ok(`${path}: ${text}`);
    },
  },
];
