import { createHash } from "node:crypto";
import type { Transport } from "../ports.ts";
import type { ContractCase } from "./metadata-cache-contract.ts";

/** A transport and a registry behind it whose files are {@link transportFixture}. */
export interface TransportUnderTest {
  readonly transport: Transport;
  /** URL below which the files are, ending in `/`. */
  readonly base: string;
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Path -> bytes of the files that the registry under test serves, and no others. */
export const transportFixture: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  ".well-known/lading.json": encode('{"protocol":1}'),
  "index/_/to/tool.json": encode('{"name":"tool"}'),
  "blobs/sha256/0000000000000000000000000000000000000000000000000000000000000000": encode("0123456789".repeat(10_000)),
};

const DOCUMENT = "index/_/to/tool.json";
const BLOB = "blobs/sha256/0000000000000000000000000000000000000000000000000000000000000000";
const ABSENT_BLOB = `blobs/sha256/${"1".repeat(64)}`;
const action = "test the transport";

async function readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
}

function digestFrom(offset: number): string {
  return createHash("sha256").update(transportFixture[BLOB]!.subarray(offset)).digest("hex");
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** What every {@link Transport} must do when it reads. */
export const transportContract: readonly ContractCase<TransportUnderTest>[] = [
  {
    name: "metadata() gives the bytes of a document",
    run: async ({ transport, base }) => {
      const found = await transport.metadata(`${base}${DOCUMENT}`, { action });
      check(found.status === "found" && Buffer.from(found.bytes).equals(transportFixture[DOCUMENT]!), "wrong bytes");
    },
  },
  {
    name: "metadata() gives back what shows that a document is longer than was wanted, and one that fits whole",
    run: async ({ transport, base }) => {
      const { length } = transportFixture[DOCUMENT]!;
      const cut = await transport.metadata(`${base}${DOCUMENT}`, { action, maxBytes: length - 1 });
      check(cut.status === "found" && cut.bytes.length >= length, "it does not show");
      const whole = await transport.metadata(`${base}${DOCUMENT}`, { action, maxBytes: length });
      check(whole.status === "found" && whole.bytes.length === length, "it is not whole");
    },
  },
  {
    name: "metadata() with the validator that it gave is unchanged, and with another one found",
    run: async ({ transport, base }) => {
      const first = await transport.metadata(`${base}${DOCUMENT}`, { action });
      const validator = first.status === "found" ? first.validator : undefined;
      check(validator !== undefined, "no validator");
      const second = await transport.metadata(`${base}${DOCUMENT}`, { action, validator });
      check(second.status === "unchanged", `it is "${second.status}", expected unchanged`);
      const third = await transport.metadata(`${base}${DOCUMENT}`, { action, validator: '"other"' });
      check(third.status === "found", `it is "${third.status}", expected found`);
    },
  },
  {
    name: "metadata() and blob() of what does not exist are outcomes, not errors",
    run: async ({ transport, base }) => {
      const found = await transport.metadata(`${base}index/_/no/none.json`, { action });
      check(found.status === "absent", `it is "${found.status}", expected absent`);
      check((await transport.blob(`${base}${ABSENT_BLOB}`, { action })) === undefined, "an absent blob was found");
    },
  },
  {
    name: "blob() streams the bytes and says how many there are",
    run: async ({ transport, base }) => {
      const found = await transport.blob(`${base}${BLOB}`, { action });
      check(found?.offset === 0, "it does not start at 0");
      check(found?.size === transportFixture[BLOB]!.length, `size is ${found?.size}`);
      check((await readAll(found!.body)) === digestFrom(0), "wrong bytes");
    },
  },
  {
    name: "blob() from an offset gives the rest, or starts at 0 and says so",
    run: async ({ transport, base }) => {
      const found = await transport.blob(`${base}${BLOB}`, { action, offset: 99_000 });
      check(found?.offset === 99_000 || found?.offset === 0, `offset is ${found?.offset}`);
      check((await readAll(found!.body)) === digestFrom(found!.offset), "wrong bytes");
      check(
        found!.size === undefined || found!.size === transportFixture[BLOB]!.length,
        `size is ${found!.size}, not that of the whole`,
      );
    },
  },
  {
    name: "a blob that is left early does no harm",
    run: async ({ transport, base }) => {
      const found = await transport.blob(`${base}${BLOB}`, { action });
      for await (const chunk of found!.body) {
        if (chunk.length > 0) break;
      }
      const again = await transport.blob(`${base}${BLOB}`, { action });
      check((await readAll(again!.body)) === digestFrom(0), "wrong bytes");
    },
  },
  {
    name: "an aborted signal rejects with its reason",
    run: async ({ transport, base }) => {
      const reason = new Error("stopped");
      const found = await transport.metadata(`${base}${DOCUMENT}`, { action, signal: AbortSignal.abort(reason) }).then(
        () => undefined,
        (error: unknown) => error,
      );
      check(found === reason, `it rejected with ${String(found)}`);
    },
  },
];
