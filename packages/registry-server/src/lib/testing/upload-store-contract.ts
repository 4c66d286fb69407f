import type { UploadStore } from "../uploads/upload-store.ts";
import { same, type ContractTest } from "./contract.ts";

async function* bytes(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: number[] = [];
  for await (const chunk of chunks) all.push(...chunk);
  return new TextDecoder().decode(Uint8Array.from(all));
}

/** Checks what {@link UploadStore} promises. `create` makes an empty store. */
export function uploadStoreContract(test: ContractTest, create: () => Promise<UploadStore>): void {
  test.describe("UploadStore contract", () => {
    test.it("keeps parts by upload and offset, ascending", async () => {
      const store = await create();
      same(await store.parts("one"), [], "nothing yet");
      same(await store.put("one", 12, bytes("later")), 5, "a later part first");
      same(await store.put("one", 0, bytes("hello ", "", "world!")), 12, "bytes of several chunks");
      same(await store.put("two", 0, bytes("x")), 1, "another upload");
      const parts = [
        { offset: 0, size: 12 },
        { offset: 12, size: 5 },
      ];
      same(await store.parts("one"), parts, "parts");
      same(await text(store.read("one", parts[0]!)), "hello world!", "bytes");
      same(await text(store.read("one", parts[1]!)), "later", "bytes of the other");
    });
    test.it("keeps the first part of an offset, also of many at once", async () => {
      const store = await create();
      same(await store.put("one", 0, bytes("first")), 5, "first");
      same(await store.put("one", 0, bytes("other bytes")), "taken", "second");
      same(await text(store.read("one", { offset: 0, size: 5 })), "first", "stays");
      const outcomes = await Promise.all(Array.from({ length: 6 }, (_, at) => store.put("two", 3, bytes(`${at}`))));
      same(outcomes.filter((outcome) => outcome === 1).length, 1, "one of many");
      same(await store.parts("two"), [{ offset: 3, size: 1 }], "one part");
    });
    test.it("orders offsets as numbers", async () => {
      const store = await create();
      for (const offset of [100, 20, 3]) await store.put("one", offset, bytes("x"));
      same(
        (await store.parts("one")).map(({ offset }) => offset),
        [3, 20, 100],
        "offsets",
      );
    });
    test.it("stores nothing of a source that fails", async () => {
      const store = await create();
      async function* broken(): AsyncIterable<Uint8Array> {
        yield Uint8Array.of(1);
        throw new Error("broken off");
      }
      let failure = "";
      await store.put("one", 0, broken()).catch((error: Error) => (failure = error.message));
      same([failure, await store.parts("one")], ["broken off", []], "nothing");
      same(await store.put("one", 0, bytes("again")), 5, "and takes it the next time");
    });
    test.it("forgets an upload, and tells which there are", async () => {
      const store = await create();
      await store.put("one", 0, bytes("x"));
      await store.put("one", 1, bytes("y"));
      await store.put("two", 0, bytes("z"));
      const ids = async (): Promise<string[]> => {
        const found: string[] = [];
        for await (const id of store.uploads()) found.push(id);
        return found.sort();
      };
      same(await ids(), ["one", "two"], "both");
      await store.remove("one");
      await store.remove("one");
      same([await ids(), await store.parts("one")], [["two"], []], "one of them");
      same(await store.put("one", 0, bytes("new")), 3, "an id can be used again");
    });
  });
}
