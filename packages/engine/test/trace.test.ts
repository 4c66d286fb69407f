import { describe, expect, it } from "vitest";
import type { LadingEvent } from "@lading/core-manifest";
import type { FetchInit, FetchResponse } from "@lading/registry-client";
import { tracedFetch } from "../src/lib/trace.ts";

const init: FetchInit = {
  method: "GET",
  headers: { authorization: "Bearer very-secret" },
  signal: new AbortController().signal,
  redirect: "manual",
  purpose: "call",
};
const answer: FetchResponse = {
  status: 200,
  headers: { get: (name) => (name === "content-length" ? "12" : null) },
  body: null,
};

describe("tracedFetch()", () => {
  it("tells method, address, status, length and time, and neither credentials nor a query", async () => {
    const events: LadingEvent[] = [];
    const fetch = tracedFetch(
      () => Promise.resolve(answer),
      (event) => events.push(event),
    );
    await fetch("https://user:hidden@r.example/blobs/1?signature=secret", init);
    expect(events).toEqual([
      {
        type: "debug",
        scope: "http",
        message: expect.stringMatching(/^GET https:\/\/r\.example\/blobs\/1\?\.\.\. 200, 12 bytes \(\d+ ms\)$/),
      },
    ]);
    expect(JSON.stringify(events)).not.toMatch(/secret|hidden/);
  });

  it("tells a failure, and leaves it a failure", async () => {
    const events: LadingEvent[] = [];
    const fetch = tracedFetch(
      () => Promise.reject(new Error("no route")),
      (event) => events.push(event),
    );
    await expect(fetch("https://r.example/x", init)).rejects.toThrow("no route");
    expect(events[0]).toMatchObject({ message: expect.stringContaining("failed: no route") });
  });
});
