import { duplexPair } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Registry } from "../registry.ts";
import { serve } from "./serve.ts";

/** A registry that writes down what it is asked for. */
function noted(events: string[]): Registry {
  const registry: Partial<Registry> = {
    readNow: () => undefined,
    fetch: async (request) => {
      events.push(`asked ${new URL(request.url).pathname}`);
      return new Response("done");
    },
    stop: async () => {
      events.push("stopped");
    },
  };
  return registry as Registry;
}

describe("RegistryServer.close()", () => {
  it("has the registry know of requests that wait for connections to be taken before it stops", async () => {
    const events: string[] = [];
    const served = await serve(noted(events), { host: "127.0.0.1", port: 0 });
    const [client, connection] = duplexPair();
    let closed: Promise<void> | undefined;
    // The request has come and waits: its connection was taken in this turn.
    served.server.on("request", () => {
      closed = served.close();
    });
    const response = new Promise<string>((resolve) => {
      let text = "";
      client.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes("done")) resolve(text);
      });
    });
    client.write("GET /api/v1/held HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    served.server.emit("connection", connection);
    expect(await response).toMatch(/^HTTP\/1\.1 200 /);
    await closed;
    expect(events).toEqual(["asked /api/v1/held", "stopped"]);
  });
});
