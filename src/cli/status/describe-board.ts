import type { Address } from "../../deploy/address.ts";
import { formatAddress } from "../../deploy/address.ts";
import { describeRecord, formatTime } from "../../deploy/record.ts";
import type { BoardRelease, BoardStatus, NodeStatus } from "../../deploy/rtnodectl.ts";
import { printable } from "../../core/printable.ts";
import { table } from "../../ui/table.ts";
import { shortId } from "../deploy/boards.ts";

/** What a board says, and which releases it has. */
export type Shown = BoardStatus & { readonly releases: readonly BoardRelease[] };

/** How a board is, for people: what it is, what troubles it, its releases, and a row for each node. */
export function describeBoard(address: Address, status: Shown): string {
  const { kernel, nodes, pending, record, releases } = status;
  const others = releases.filter(({ mark }) => mark === "-").map(({ id }) => shortId(id));
  const what = [`Linux ${kernel.version}`, kernel.realtime ? "real-time" : "not real-time", ...facts(status)];
  return [
    `${formatAddress(address)}  ${what.join(", ")}`,
    ...troubles(status),
    `release ${shortId(status.release)}${pending === status.release && pending !== null ? " (not confirmed)" : ""}, previous ${shortId(status.previous)}${others.length === 0 ? "" : `, also there ${others.join(", ")}`}`,
    ...(record === undefined || record === null ? [] : [describeRecord(record)]),
    ...table([HEADS, ...nodes.map(nodeRow)]),
  ].join("\n");
}

function facts({ architecture, board, uptimeSeconds, temperatureC }: BoardStatus): string[] {
  const model = [board, architecture].filter((word) => typeof word === "string").map(printable);
  return [
    ...(model.length === 0 ? [] : [model.join(" ")]),
    ...(typeof uptimeSeconds === "number" ? [`up ${formatUptime(uptimeSeconds)}`] : []),
    ...(typeof temperatureC === "number" ? [`${Math.round(temperatureC)} °C`] : []),
  ];
}

function troubles({ throttling, wentBack }: BoardStatus): string[] {
  return [
    ...(wentBack === null || wentBack === undefined
      ? []
      : [
          `! went back from ${shortId(wentBack.release)} by itself at ${formatTime(wentBack.time)}: ${printable(wentBack.reason)}`,
        ]),
    ...(throttling?.underVoltage === true
      ? ["! its power is too weak (under-voltage), so it is slower: another supply or a shorter cable"]
      : []),
    ...(throttling?.frequencyCapped === true
      ? ["! it is too hot, so its processor is slower: a heat sink, a fan, or less to do"]
      : []),
  ];
}

/** A time span in its two largest units: `3 d 4 h`, `5 min 10 s`. */
export function formatUptime(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0 s";
  let rest = Math.trunc(seconds);
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? "" : `${count} ${unit}`;
    })
    .filter((text) => text !== "")
    .join(" ");
}

const HEADS = [
  "NAME",
  "STATE",
  "PID",
  "POLICY",
  "PRIORITY",
  "CPUS",
  "LOCKEDKIB",
  "RESTARTS",
  "CYCLES",
  "OVERRUNS",
  "P99/US",
  "FAULTS",
  "",
];

/** As `rtnodectl status` has them; FAULTS are minor and major page faults in the loop, P99 is of the wake-up. */
function nodeRow(node: NodeStatus): string[] {
  const { stats } = node;
  return [
    node.name,
    node.state,
    node.pid ?? "-",
    node.policy ?? "-",
    node.priority ?? "-",
    node.cpus ?? "-",
    node.lockedKiB ?? "-",
    node.restarts,
    stats?.cycles ?? "-",
    stats?.overruns ?? "-",
    stats?.wakeupUs?.p99 ?? "-",
    stats === null || stats === undefined ? "-" : `${stats.minorFaults}+${stats.majorFaults}`,
    printable(node.reason ?? ""),
  ].map(String);
}
