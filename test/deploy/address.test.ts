import { expect, it } from "vitest";
import { formatAddress, parseAddress } from "../../src/deploy/address.ts";

it.each([
  ["arm.local", { host: "arm.local", port: null, user: "robot" }, "arm.local"],
  ["me@10.0.0.11:2222", { host: "10.0.0.11", port: 2222, user: "me" }, "10.0.0.11:2222"],
  ["robot@arm.local:22", { host: "arm.local", port: 22, user: "robot" }, "arm.local"],
  ["fe80::1%eth0", { host: "fe80::1%eth0", port: null, user: "robot" }, "fe80::1%eth0"],
  ["me@[::1]:2222", { host: "::1", port: 2222, user: "me" }, "[::1]:2222"],
  ["bench_1", { host: "bench_1", port: null, user: "robot" }, "bench_1"],
])("%s is a board", (text, address, shown) => {
  expect(parseAddress(text)).toEqual(address);
  expect(formatAddress(parseAddress(text))).toBe(shown);
});

it.each([
  "",
  "@arm",
  "me@",
  "-oProxyCommand=x",
  "arm -x",
  "arm;reboot",
  "$(x)@arm",
  "-l@arm",
  "arm:0",
  "arm:65536",
  "arm:ssh",
  "[arm]:22",
  "a:b:c",
])("%j is none, and reaches no command line", (text) => {
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: "RTK_DEPLOY_HOST", exitStatus: 2 }));
});
