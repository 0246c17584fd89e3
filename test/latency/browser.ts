import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { findProgram } from "../../src/core/programs.ts";
import { scratchDir } from "../scratch.ts";

/** A message of the DevTools protocol (chromedevtools.github.io/devtools-protocol), as far as it is read here. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly request?: { readonly url: string };
    readonly type?: string;
    readonly entry?: { readonly text: string };
  };
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** How a page is looked at. */
export interface View {
  readonly width: number;
  readonly scheme: "light" | "dark";
}

/** A page in a headless browser. */
export interface Page {
  /** Loads a file as somebody with that screen sees it. */
  readonly show: (file: string, view: View) => Promise<void>;
  /** The value of an expression of JavaScript in the page. */
  readonly evaluate: <T>(expression: string) => Promise<T>;
  /** URLs that the page asked for, its own too. */
  readonly requests: readonly string[];
  /** What it wrote to the console, and what the browser found wrong. */
  readonly complaints: readonly string[];
  readonly close: () => void;
}

/** Starts the browser, which is told what to do through pipes. */
export async function openBrowser(): Promise<Page> {
  const program = findProgram("chromium");
  if (program === undefined) throw new Error("there is no chromium: run scripts/setup --tests");
  const words = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"];
  const dir = scratchDir("rtkit-browser-");
  const child = spawn(program, [...words, `--user-data-dir=${dir}`, "about:blank"], {
    // It leaves a folder there.
    env: { ...process.env, TMPDIR: dir },
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const waiting = new Map<number, (message: Message) => void>();
  const requests: string[] = [];
  const complaints: string[] = [];
  let loaded: (() => void) | undefined;
  onMessages(child.stdio[4] as Readable, (message) => {
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    const { request, type, entry } = message.params ?? {};
    if (message.method === "Network.requestWillBeSent" && request !== undefined) requests.push(request.url);
    if (message.method === "Runtime.consoleAPICalled") complaints.push(`console: ${type}`);
    if (message.method === "Runtime.exceptionThrown") complaints.push("an exception");
    if (message.method === "Log.entryAdded" && entry !== undefined) complaints.push(entry.text);
    if (message.method === "Page.loadEventFired") loaded?.();
  });
  let last = 0;
  const tell = async (method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> => {
    last += 1;
    const answer = new Promise<Message>((resolve) => void waiting.set(last, resolve));
    (child.stdio[3] as Writable).write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  };
  const { targetId } = await tell("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await tell("Target.attachToTarget", { targetId, flatten: true });
  const page = async (method: string, params: object = {}): Promise<Record<string, unknown>> =>
    tell(method, params, String(sessionId));
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await page(`${domain}.enable`);
  return {
    show: async (file, { width, scheme }) => {
      await page("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
      await page("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      const done = new Promise<void>((resolve) => (loaded = resolve));
      await page("Page.navigate", { url: `file://${file}` });
      await done;
    },
    evaluate: async <T>(expression: string) => {
      const { result } = await page("Runtime.evaluate", { expression, returnByValue: true });
      return (result as { readonly value: T }).value;
    },
    requests,
    complaints,
    close: () => void child.kill("SIGKILL"),
  };
}

function onMessages(stream: Readable, take: (message: Message) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\0");
    rest = parts.pop() ?? "";
    for (const part of parts) take(JSON.parse(part) as Message);
  });
}
