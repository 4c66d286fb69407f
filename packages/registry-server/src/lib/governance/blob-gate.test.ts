import type { Digest } from "@lading/core-manifest";
import { describe, expect, it } from "vitest";
import { BlobGate } from "./blob-gate.ts";

const HELD = `sha256:${"a".repeat(64)}` as Digest;
const BAD = `sha256:${"b".repeat(64)}` as Digest;

type Metadata = ConstructorParameters<typeof BlobGate>[0];

function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A store whose answers to the first question come when the test says so, as they were when it was asked. */
function slowStore() {
  const state = { held: [] as Digest[], removed: [] as { digest: Digest; reason: string }[] };
  const first = signal();
  let questions = 0;
  const removedBlobs = async (): ReturnType<Metadata["removedBlobs"]> => {
    questions += 1;
    const answer = [...state.removed];
    if (questions === 1) await first.promise;
    return answer;
  };
  const reviews = { heldBlobs: async () => [...state.held] } as unknown as Metadata["reviews"];
  return { state, answerFirst: () => first.resolve(), gate: new BlobGate({ reviews, removedBlobs }) };
}

const codeOf = (gate: BlobGate, digest: Digest): string | undefined => {
  try {
    gate.require(digest);
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("BlobGate", () => {
  it("refresh() never puts back what an earlier look saw", async () => {
    const { state, gate, answerFirst } = slowStore();
    const before = gate.refresh();
    // The first look has asked by now; its answer is late.
    await new Promise((resolve) => setImmediate(resolve));
    state.removed.push({ digest: BAD, reason: "malware" });
    const after = gate.refresh();
    await new Promise((resolve) => setImmediate(resolve));
    answerFirst();
    await Promise.all([before, after]);
    expect(codeOf(gate, BAD)).toBe("CONTENT_REMOVED");
  });

  it("holding() keeps files closed while a look that began before ends, and opens what was not held", async () => {
    const { state, gate, answerFirst } = slowStore();
    const before = gate.refresh();
    await new Promise((resolve) => setImmediate(resolve));
    const submitted = signal();
    const holding = gate.holding([HELD, BAD], async () => {
      await submitted.promise;
      state.held.push(HELD);
    });
    answerFirst();
    await before;
    expect([codeOf(gate, HELD), codeOf(gate, BAD)]).toEqual(["BLOB_NOT_FOUND", "BLOB_NOT_FOUND"]);
    submitted.resolve();
    await holding;
    expect([codeOf(gate, HELD), codeOf(gate, BAD)]).toEqual(["BLOB_NOT_FOUND", undefined]);
  });
});
