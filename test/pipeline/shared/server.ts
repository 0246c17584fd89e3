import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A server as rtkit's shared cache needs it, in memory, that can be told to go wrong. */
export interface FakeServer {
  readonly url: URL;
  /** Content by path: `/ac/…`, `/cas/…`. */
  readonly blobs: Map<string, Buffer>;
  /** `METHOD /folder` of each request, in order. */
  readonly requests: string[];
  readonly headers: IncomingMessage["headers"][];
  /** Answers before the honest server does; false when it did not. */
  lie: (...args: Parameters<RequestListener>) => boolean;
  readonly close: () => Promise<void>;
}

/** Starts a {@link FakeServer} on a free port. */
export async function fakeServer(): Promise<FakeServer> {
  const blobs = new Map<string, Buffer>();
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    requests.push(`${method} /${url.split("/")[1]}`);
    headers.push(request.headers);
    if (fake.lie(request, response)) return;
    const blob = blobs.get(url);
    if (method === "PUT") {
      blobs.set(url, await buffer(request));
      response.writeHead(201).end();
    } else if (blob === undefined) response.writeHead(404).end("no such thing");
    else response.writeHead(200, { "content-length": blob.length }).end(method === "HEAD" ? undefined : blob);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const fake: FakeServer = {
    url: new URL(`http://127.0.0.1:${port}`),
    blobs,
    requests,
    headers,
    lie: () => false,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}
