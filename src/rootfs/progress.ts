/**
 * Turns lines that apt, dpkg and mmdebstrap print into a few plain words (`downloading systemd, 45 %`) and hands them
 * on. Lines that say nothing to a user are dropped; no address of a mirror gets through.
 */
export function followProgress(progress: (text: string) => void): (line: string) => void {
  let toFetch = 0;
  let fetched = 0;
  return (line) => {
    const need = /^Need to get ([\d.,]+ ?[kMG]?B)(?:\/\S+ ?[kMG]?B)? of archives/.exec(line);
    if (need?.[1] !== undefined) {
      toFetch = parseAptSize(need[1]);
      fetched = 0;
      return;
    }
    const got = /^Get:\d+ \S+ \S+ (?:\S+ )?(\S+) (?:\S+ \S+ )?\[([\d.,]+ ?[kMG]?B)\]$/.exec(line);
    if (got?.[1] !== undefined && got[2] !== undefined) {
      fetched += parseAptSize(got[2]);
      const share = toFetch > 0 ? `, ${Math.min(100, Math.round((100 * fetched) / toFetch))} %` : "";
      progress(toFetch > 0 ? `downloading ${got[1]}${share}` : "reading package lists");
      return;
    }
    const dpkg = /^(Unpacking|Setting up) ([a-z0-9][a-z0-9+.-]*)/.exec(line);
    if (dpkg?.[2] !== undefined) {
      progress(`${dpkg[1] === "Unpacking" ? "unpacking" : "configuring"} ${dpkg[2]}`);
      return;
    }
    const stage = STAGES.find(({ pattern }) => pattern.test(line));
    if (stage !== undefined) progress(stage.text);
  };
}

/** What mmdebstrap's and dpkg's own lines are called here. */
const STAGES = [
  { pattern: /^I: running apt-get update/, text: "reading package lists" },
  { pattern: /^I: extracting archives/, text: "unpacking the essential packages" },
  { pattern: /^update-initramfs: Generating/, text: "making the initramfs" },
  { pattern: /^I: creating tarball/, text: "writing the archive" },
];

/** Bytes of a size as apt writes it: `3,124 kB`, powers of 1000. */
function parseAptSize(text: string): number {
  const match = /^([\d.,]+) ?([kMG]?)B$/.exec(text);
  const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9 };
  return Number((match?.[1] ?? "0").replaceAll(",", "")) * (units[match?.[2] ?? ""] ?? 1);
}
