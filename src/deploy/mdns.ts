import { decode, encode, type Answer, type Question } from "dns-packet";
import { isIP } from "node:net";
import { printable } from "../core/printable.ts";

/** How boards announce themselves in DNS-SD: overlays/base has it in /etc/systemd/dnssd/. */
const SERVICE = "_rtkit._tcp.local";

/** A board that answered. All texts are printable. */
export interface FoundBoard {
  /** Its host name, `arm.local`. */
  readonly name: string;
  /** IPv4 addresses first. Never empty. */
  readonly addresses: readonly string[];
  /** Of its ssh server; null for a board that answered to its name and announces nothing. */
  readonly port: number | null;
  /** The board file's name, and the version of rtkit that built its image; null when it does not say. */
  readonly board: string | null;
  readonly version: string | null;
}

/** A packet that came, and from which address. */
export interface Packet {
  readonly bytes: Buffer;
  readonly from: string;
}

/** Records are kept up to this number, so that nobody can fill our memory. */
const MOST_RECORDS = 10_000;

/** What was learned from answers, see {@link learner}. */
export interface Learner {
  /** Takes a packet; one that is no answer, or damaged, teaches nothing. */
  readonly learn: (packet: Packet) => void;
  /** The packets that ask for all boards, and for what is still unknown of those that answered (RFC 6762, 5; RFC 6763, 4). */
  readonly queries: () => Buffer[];
  /** Sorted by name. */
  readonly boards: () => FoundBoard[];
}

/** Collects answers; `names` are host names (`arm.local`) that were asked for besides the announced boards. Pure but for its memory. */
export function learner(names: readonly string[]): Learner {
  const instances = new Set<string>();
  const services = new Map<string, { readonly target: string; readonly port: number; readonly from: string }>();
  const facts = new Map<string, ReadonlyMap<string, string>>();
  const addresses = new Map<string, Set<string>>();
  let records = 0;

  const take = (answer: Answer, from: string): void => {
    const name = answer.name.toLowerCase();
    switch (answer.type) {
      case "PTR":
        if (name === SERVICE) instances.add(answer.data.toLowerCase());
        break;
      case "SRV":
        services.set(name, { target: answer.data.target.toLowerCase(), port: answer.data.port, from });
        break;
      case "TXT":
        facts.set(name, keysOf(answer.data));
        break;
      case "A":
      case "AAAA":
        // A link-local address is one only together with an interface.
        if (isIP(answer.data) === 0 || /^fe80:/i.test(answer.data)) break;
        addresses.set(name, (addresses.get(name) ?? new Set()).add(answer.data));
        break;
    }
  };

  return {
    learn: ({ bytes, from }) => {
      try {
        const { type, answers = [], additionals = [] } = decode(bytes);
        if (type !== "response") return;
        for (const answer of [...answers, ...additionals]) {
          records += 1;
          if (records <= MOST_RECORDS) take(answer, from);
        }
      } catch {
        // Anybody may send anything to a multicast address.
      }
    },
    queries: () => {
      const wanted = [...instances].flatMap((name): Question[] => {
        const target = services.get(name)?.target;
        if (target === undefined)
          return [
            { type: "SRV", name },
            { type: "TXT", name },
          ];
        return addresses.has(target) ? [] : [{ type: "A", name: target }];
      });
      const named = names.filter((name) => !addresses.has(name.toLowerCase()));
      const questions: Question[] = [
        { type: "PTR", name: SERVICE },
        ...named.map((name): Question => ({ type: "A", name })),
        ...wanted,
      ];
      return Array.from({ length: Math.ceil(questions.length / QUESTIONS) }, (_, index) =>
        encode({ type: "query", id: 0, questions: questions.slice(index * QUESTIONS, (index + 1) * QUESTIONS) }),
      );
    },
    boards: () => {
      const announced = [...instances].flatMap((instance): FoundBoard[] => {
        const service = services.get(instance);
        if (service === undefined) return [];
        const about = facts.get(instance);
        return [
          {
            name: shown(service.target),
            // Who answers is reachable where the answer came from.
            addresses: ordered(addresses.get(service.target) ?? new Set([service.from])),
            port: service.port,
            board: shownOr(about?.get("board")),
            version: shownOr(about?.get("version")),
          },
        ];
      });
      const known = new Set(announced.map(({ name }) => name));
      const named = [...new Set(names.map((name) => name.toLowerCase()))].flatMap((name): FoundBoard[] => {
        const found = addresses.get(name);
        if (found === undefined || known.has(name)) return [];
        return [{ name: shown(name), addresses: ordered(found), port: null, board: null, version: null }];
      });
      return [...announced, ...named].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
  };
}

/** Questions of one packet: a name has at most 255 bytes, so it fits into two frames whatever boards are called. */
const QUESTIONS = 8;

/** `key=value` of a TXT record (RFC 6763, 6.3). */
function keysOf(data: unknown): ReadonlyMap<string, string> {
  const strings = (Array.isArray(data) ? data : [data]).map(String);
  return new Map(
    strings.flatMap((text): [string, string][] => {
      const at = text.indexOf("=");
      return at > 0 ? [[text.slice(0, at).toLowerCase(), text.slice(at + 1)]] : [];
    }),
  );
}

function ordered(addresses: ReadonlySet<string>): string[] {
  return [...addresses].map(shown).toSorted((a, b) => isIP(a) - isIP(b) || (a < b ? -1 : 1));
}

/** Longer texts are not meant to be read. */
const LONGEST = 255;

function shown(text: string): string {
  return printable(text)
    .replaceAll(/[\n\t\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, "?")
    .slice(0, LONGEST);
}

function shownOr(text: string | undefined): string | null {
  return text === undefined || text === "" ? null : shown(text);
}
