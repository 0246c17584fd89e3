import { decode, encode, type Answer, type Packet as DnsPacket } from "dns-packet";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { learner, type FoundBoard } from "../../src/deploy/mdns.ts";

const SERVICE = "_rtkit._tcp.local";

function announced(host: string, facts: readonly string[], address = "10.0.0.7"): Answer[] {
  const name = `${host}.${SERVICE}`;
  return [
    { type: "PTR", name: SERVICE, data: name },
    { type: "SRV", name, data: { target: `${host}.local`, port: 22 } },
    { type: "TXT", name, data: [...facts] },
    { type: "A", name: `${host}.local`, data: address },
  ];
}

const response = (answers: Answer[], more: Partial<DnsPacket> = {}): Buffer =>
  encode({ type: "response", id: 0, answers, ...more });

function found(packets: readonly Buffer[], names: readonly string[] = []): FoundBoard[] {
  const { learn, boards } = learner(names);
  for (const bytes of packets) learn({ bytes, from: "10.0.0.99" });
  return boards();
}

const asked = (packets: readonly Buffer[]): string[] =>
  packets.flatMap((packet) => decode(packet).questions ?? []).map(({ type, name }) => `${type} ${name}`);

/** What an image sent from QEMU (systemd-resolved 257, captured with filter-dump): its records, and those of its address. */
const CAPTURED = [
  "000084000000000600000000065f72746b6974045f746370056c6f63616c00000c000100000078000805646e737364c00cc0",
  "290010800100000078002011626f6172643d71656d752d7838365f36340d76657273696f6e3d302e312e30c0290021800100",
  "000078001300000000001605646e737364056c6f63616c0005646e737364c018000180010000007800040a00020f02313501",
  "32013002313007696e2d61646472046172706100000c8001000000780002c07c095f7365727669636573075f646e732d7364",
  "045f756470c018000c0001000000780002c00c",
].join("");

describe("what boards say", () => {
  it("is read as systemd-resolved sends it", () => {
    expect(found([Buffer.from(CAPTURED, "hex")])).toEqual([
      { name: "dnssd.local", addresses: ["10.0.2.15"], port: 22, board: "qemu-x86_64", version: "0.1.0" },
    ]);
  });

  it("is read from answers, in whatever packets and order they come", () => {
    const records = announced("arm", ["board=rpi4", "version=0.1.0", "flag"]);
    const whole: FoundBoard[] = [
      { name: "arm.local", addresses: ["10.0.0.7"], port: 22, board: "rpi4", version: "0.1.0" },
    ];
    expect(found([response(records)])).toEqual(whole);
    expect(found(records.toReversed().map((record) => response([record])))).toEqual(whole);
    expect(found([response(records.slice(0, 1), { additionals: records.slice(1) })])).toEqual(whole);
    expect(found([response(records), response(records)])).toEqual(whole);
  });

  it("is asked for again as far as it is unknown", () => {
    const { learn, queries } = learner(["Old.local"]);
    expect(asked(queries())).toEqual([`PTR ${SERVICE}`, "A Old.local"]);
    const [ptr, srv, , a] = announced("arm", []);
    const tell = (record: Answer | undefined): void =>
      learn({ bytes: response(record === undefined ? [] : [record]), from: "10.0.0.7" });
    tell(ptr);
    expect(asked(queries()).slice(2)).toEqual([`SRV arm.${SERVICE}`, `TXT arm.${SERVICE}`]);
    tell(srv);
    expect(asked(queries()).slice(2)).toEqual(["A arm.local"]);
    tell(a);
    tell({ type: "A", name: "old.local", data: "10.0.0.8" });
    expect(asked(queries())).toEqual([`PTR ${SERVICE}`]);
  });

  it("is asked for in packets that fit", () => {
    const { queries } = learner(Array.from({ length: 30 }, (_, index) => `${"n".repeat(60)}${index}.local`));
    expect(queries()).toHaveLength(4);
    for (const packet of queries()) expect(packet.length).toBeLessThan(1400);
  });

  it("is the sender's address where no other is told, and not one that needs an interface", () => {
    const records = announced("arm", []);
    const without = [...records.slice(0, 3), { type: "AAAA" as const, name: "arm.local", data: "fe80::1" }];
    expect(found([response(without)])[0]?.addresses).toEqual(["10.0.0.99"]);
    const both = [...records, { type: "AAAA" as const, name: "arm.local", data: "fd00::7" }];
    expect(found([response(both)])[0]?.addresses).toEqual(["10.0.0.7", "fd00::7"]);
  });

  it("may be no more than an address to a name", () => {
    const answer = response([{ type: "A", name: "old.local", data: "10.0.0.8" }]);
    expect(found([answer], ["Old.local"])).toEqual([
      { name: "old.local", addresses: ["10.0.0.8"], port: null, board: null, version: null },
    ]);
    expect(found([answer])).toEqual([]);
    const twice = [response(announced("arm", []))];
    expect(found(twice, ["arm.local"])).toHaveLength(1);
  });
});

describe("packets of others", () => {
  it("that are questions, of other services, or damaged teach nothing", () => {
    const question = encode({ type: "query", questions: [], answers: announced("arm", []) });
    const printer = response([{ type: "PTR", name: "_ipp._tcp.local", data: "x._ipp._tcp.local" }]);
    const whole = response(announced("arm", []));
    expect(found([question, printer, Buffer.alloc(0), whole.subarray(0, 20)])).toEqual([]);
  });

  it("never throw", () => {
    const whole = response(announced("arm", ["board=rpi4"]));
    const spoiled = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }).map((changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
    const anything = fc.oneof(
      spoiled,
      fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 5 }), (packets) => {
        const { learn, boards, queries } = learner(["arm.local"]);
        for (const bytes of packets) learn({ bytes, from: "10.0.0.99" });
        queries();
        for (const text of boards().flatMap(({ name, addresses, board }) => [name, ...addresses, board ?? ""])) {
          // oxlint-disable-next-line no-control-regex
          expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        }
      }),
    );
  });

  it("put nothing on a terminal that it would obey", () => {
    const [board] = found([response(announced("arm", ["board=\u001b]0;x\u0007\n\u202e"]))]);
    expect(board?.board).toBe("?]0;x???");
  });
});
