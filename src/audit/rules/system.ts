import { few, isVirtual, matching, ok, value, type Rule } from "../rule.ts";

/** Timers that do much, and when nobody asked. Not logrotate's: without it, logs of its packages grow for ever. */
const TIMERS: Readonly<Record<string, string>> = {
  "apt-daily.timer": "downloads package lists",
  "apt-daily-upgrade.timer": "installs packages",
  "dpkg-db-backup.timer": "copies dpkg's database",
  "e2scrub_all.timer": "checks file systems",
  "fstrim.timer": "stalls the card for seconds",
  "man-db.timer": "indexes manuals",
  "systemd-tmpfiles-clean.timer": "walks /tmp and /var/tmp",
  "update-notifier-download.timer": "downloads packages",
  "snapd.snap-repair.timer": "mends snaps",
};

/** Hotter than this a Raspberry Pi slows down by itself (Raspberry Pi documentation, "Frequency management"), °C. */
const HOT_C = 80;

/** The machine itself. */
export const BOARD_RULES: readonly Rule[] = [
  {
    id: "virtual-machine",
    area: "board",
    severities: ["info"],
    why: "in a virtual machine the host decides when the system runs: its latencies are not a board's",
    source: "systemd-detect-virt(1)",
    remedy: "measure on the board itself",
    judge: (facts) => {
      if (facts.virtualization === "") return undefined;
      const evidence = `systemd-detect-virt: ${facts.virtualization}`;
      return isVirtual(facts) ? { severity: "info", evidence } : ok(evidence);
    },
  },
  {
    id: "audit-whole",
    area: "board",
    severities: ["medium"],
    why: "what was not said was not judged",
    source: "src/device/audit.sh",
    remedy: "run it again",
    judge: ({ isWhole }) =>
      isWhole ? undefined : { severity: "medium", evidence: "the end of the board's answer is missing" },
  },
  {
    id: "under-voltage",
    area: "board",
    severities: ["high"],
    why: "a Raspberry Pi whose power is too weak lowers its frequency, whatever the governor says",
    source: "Documentation/hwmon/raspberrypi-hwmon.rst",
    remedy: "another supply, or a shorter and thicker cable",
    judge: (facts) => {
      const [path] =
        matching(facts, /^\/sys\/class\/hwmon\/hwmon\d+\/name$/).find(([, name]) => name === "rpi_volt") ?? [];
      if (path === undefined) return undefined;
      const alarm = path.replace(/name$/, "in0_lcrit_alarm");
      const evidence = `${alarm}: ${value(facts, alarm) ?? "?"}`;
      return value(facts, alarm) === "1" ? { severity: "high", evidence } : ok(evidence);
    },
  },
  {
    id: "thermal",
    area: "board",
    severities: ["medium", "info"],
    why: "a hot processor is slowed down by the kernel or its firmware in the middle of a loop",
    source: "Documentation/ABI/testing/sysfs-class-thermal",
    remedy: "a heat sink, a fan, or less to do",
    judge: (facts) => {
      const devices = matching(facts, /^\/sys\/class\/thermal\/cooling_device\d+\/type$/).filter(([, type]) =>
        /^(?:thermal-)?cpufreq-|^Processor$/.test(type),
      );
      const slowed = devices
        .map(([path]) => path.replace(/type$/, "cur_state"))
        .filter((path) => Number(value(facts, path) ?? "0") > 0);
      if (slowed.length > 0) {
        return { severity: "medium", evidence: few(slowed.map((path) => `${path}: ${value(facts, path)}`)) };
      }
      const zones = matching(facts, /^\/sys\/class\/thermal\/thermal_zone\d+\/type$/).filter(([, type]) =>
        /cpu|soc|core|pkg/i.test(type),
      );
      const temperatures = zones.flatMap(([path]) => {
        const file = path.replace(/type$/, "temp");
        const degrees = Number(value(facts, file) ?? "") / 1000;
        return Number.isFinite(degrees) ? [{ file, degrees }] : [];
      });
      const hottest = temperatures.toSorted((a, b) => b.degrees - a.degrees)[0];
      if (hottest === undefined) return devices.length === 0 ? undefined : ok("no processor is slowed down");
      const evidence = `${hottest.file}: ${hottest.degrees.toFixed(1)} °C`;
      return hottest.degrees >= HOT_C ? { severity: "info", evidence } : ok(evidence);
    },
  },
];

/** What else runs on the system. */
export const SYSTEM_RULES: readonly Rule[] = [
  {
    id: "time-sync",
    area: "system",
    severities: ["medium", "info"],
    why: "a step of the clock puts time stamps of sensors out of order; loops of the SDKs sleep on a clock that is never set",
    source: "chrony.conf(5), makestep; systemd-timesyncd.service(8)",
    remedy: "chrony with makestep 1 3: it steps at its start only, and then slews",
    judge: ({ units, files }) => {
      const chrony = ["chrony.service", "chronyd.service"].find((unit) => units.has(unit));
      if (chrony !== undefined) {
        const lines = [...files].flatMap(([path, all]) =>
          path.startsWith("/etc/chrony/") ? all.map((line) => `${path}: ${line.trim()}`) : [],
        );
        const always = lines.find((line) => /makestep \S+ -/.test(line));
        return always === undefined ? ok(`${chrony} slews`) : { severity: "medium", evidence: always };
      }
      const stepping = ["systemd-timesyncd.service", "ntpsec.service", "ntp.service", "openntpd.service"].filter(
        (unit) => units.has(unit),
      );
      if (stepping.length === 0) return ok("nothing sets the clock");
      return { severity: "info", evidence: `${few(stepping)} is active, and may step the clock` };
    },
  },
  {
    id: "timers",
    area: "system",
    severities: ["medium", "info"],
    why: "work that wakes up at a moment nobody chose takes the card, the memory bus and the network",
    source: "systemd.timer(5)",
    remedy: "sudo systemctl mask --now TIMER",
    judge: ({ units }) => {
      const active = Object.entries(TIMERS).filter(([timer]) => units.has(timer));
      if (active.length === 0) return ok("none of the timers that do much is active");
      const names = active.map(([timer]) => timer);
      return {
        severity: names.some((name) => name.startsWith("apt-daily")) ? "medium" : "info",
        evidence: active.map(([timer, what]) => `${timer} (${what})`).join(", "),
        remedy: `sudo systemctl mask --now ${names.join(" ")}`,
      };
    },
  },
  {
    id: "journal",
    area: "system",
    severities: ["info"],
    why: "a journal without a bound grows to a tenth of the card, and making room in it stalls the card",
    source: "journald.conf(5)",
    remedy: "SystemMaxUse=64M in /etc/systemd/journald.conf.d/bounded.conf; and one logger, not two",
    judge: ({ units, files }) => {
      const lines = [...files].flatMap(([path, all]) => (path.includes("/journald.conf") ? all : []));
      const isBounded = lines.some((line) => line.startsWith("SystemMaxUse="));
      const isKept =
        files.has("/var/log/journal") && !lines.includes("Storage=volatile") && !lines.includes("Storage=none");
      const second = ["rsyslog.service", "syslog-ng.service"].find((unit) => units.has(unit));
      if (second !== undefined)
        return { severity: "info", evidence: `${second} is active: each line is written twice` };
      if (isKept && !isBounded)
        return { severity: "info", evidence: "/var/log/journal is there, and no SystemMaxUse=" };
      return ok(isKept ? "it is kept, and bounded" : "it is not kept on a disk");
    },
  },
];
