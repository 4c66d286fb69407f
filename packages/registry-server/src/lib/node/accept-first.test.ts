import { EventEmitter } from "node:events";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { describe, expect, it } from "vitest";
import { acceptFirst } from "./accept-first.ts";

const nextTurn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A server whose connections and requests come when the test says so. */
function scripted(most?: number) {
  const server = new EventEmitter();
  const answered: string[] = [];
  const answer: RequestListener = ({ url }) => answered.push(url!);
  const { listener, answerWaiting } = acceptFirst(
    server as unknown as Pick<Server, "on">,
    answer,
    most === undefined ? {} : { most },
  );
  return {
    answered,
    answerWaiting,
    connect: () => server.emit("connection"),
    request: (url: string, destroyed = false) =>
      listener({ url } as IncomingMessage, { destroyed } as Parameters<RequestListener>[1]),
  };
}

describe("acceptFirst()", () => {
  it("answers at once where no connection came", () => {
    const { answered, request } = scripted();
    request("/1");
    request("/2");
    expect(answered).toEqual(["/1", "/2"]);
  });

  it("has requests wait, in their order, until a turn takes no connection", async () => {
    const { answered, connect, request } = scripted();
    for (const url of ["/1", "/2", "/3"]) {
      connect();
      request(url);
      await nextTurn();
      expect(answered).toEqual([]);
    }
    await nextTurn();
    expect(answered).toEqual(["/1", "/2", "/3"]);
    request("/4");
    expect(answered.at(-1)).toBe("/4");
  });

  it("has them wait for no more connections than it may, however many come", async () => {
    const { answered, connect, request } = scripted(2);
    for (let turn = 1; turn <= 6; turn += 1) {
      connect();
      request(`/${turn}`);
      await nextTurn();
      expect(answered.length).toBe(turn - (turn % 2));
    }
  });

  it("answers those that wait when it is told to, once, and goes on", async () => {
    const { answered, connect, request, answerWaiting } = scripted();
    connect();
    request("/1");
    answerWaiting();
    expect(answered).toEqual(["/1"]);
    connect();
    request("/2");
    expect(answered).toEqual(["/1"]);
    for (let turn = 0; turn < 4; turn += 1) await nextTurn();
    expect(answered).toEqual(["/1", "/2"]);
  });

  it("answers nobody who went away meanwhile", async () => {
    const { answered, connect, request } = scripted();
    connect();
    request("/gone", true);
    request("/there");
    await nextTurn();
    await nextTurn();
    expect(answered).toEqual(["/there"]);
  });
});
