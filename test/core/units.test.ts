import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCpuList, formatMs, formatSize, parseDuration, parseSize, parseSpan } from "../../src/core/units.ts";

describe("parseSize", () => {
  it.each([
    ["4096", 4096],
    ["512K", 512 * 1024],
    ["16M", 16 * 1024 ** 2],
    ["1.5G", 1.5 * 1024 ** 3],
    ["2 GiB", 2 * 1024 ** 3],
    ["0", 0],
  ])("reads %s", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(["", "16X", "-1M", "1e3", "M", "0.3", "16M 2K", "99999999999T"])("refuses %j", (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );
});

describe("parseDuration", () => {
  it.each([
    ["5ms", 5_000_000],
    ["250us", 250_000],
    ["250µs", 250_000],
    ["1.5s", 1_500_000_000],
    ["2min", 120_000_000_000],
  ])("reads %s", (text, ns) => expect(parseDuration(text)).toBe(ns));

  it.each(["5", "ms", "-5ms", "5 m", "5msec"])("refuses %j", (text) => expect(parseDuration(text)).toBeUndefined());
});

it("writes sizes and times for people", () => {
  expect([formatSize(512), formatSize(36 * 1024 ** 2), formatSize(1.25 * 1024 ** 3)]).toEqual([
    "512 B",
    "36 MiB",
    "1.3 GiB",
  ]);
  expect([formatMs(340), formatMs(65_000)]).toEqual(["0.3 s", "1 min 5 s"]);
});

describe("formatCpuList", () => {
  it("joins runs", () => expect(formatCpuList([3, 0, 1, 2, 5])).toBe("0-3,5"));

  it("names exactly the CPUs it was given", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(255)), (cpus) => {
        const named = formatCpuList(cpus)
          .split(",")
          .filter((range) => range !== "")
          .flatMap((range) => {
            const [first = 0, last = first] = range.split("-").map(Number);
            return Array.from({ length: last - first + 1 }, (_, index) => first + index);
          });
        expect(named).toEqual(cpus.toSorted((a, b) => a - b));
      }),
    );
  });
});

it.each([
  ["90s", 90],
  ["10min", 600],
  ["10m", 600],
  ["2h", 7200],
  ["1.5h", 5400],
  ["3d", 259_200],
  ["1h30min", 5400],
  ["1 h 30 min", 5400],
])("%s is a span of %d s", (text, seconds) => {
  expect(parseSpan(text)).toBe(seconds);
});

it.each(["", "90", "yesterday", "-5s", "5ms", "1h and 5min", "h"])("%j is no span", (text) => {
  expect(parseSpan(text)).toBeUndefined();
});
