import type { DocumentStore } from "../ports.ts";
import { same, type ContractTest } from "./contract.ts";

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

async function read(store: DocumentStore, path: string): Promise<string | undefined> {
  const found = await store.get(path);
  return found && new TextDecoder().decode(found);
}

/** Checks what {@link DocumentStore} promises; `create` makes an empty one. */
export function documentStoreContract(test: ContractTest, create: () => Promise<DocumentStore>): void {
  test.describe("DocumentStore contract", () => {
    test.it("returns the bytes last put", async () => {
      const store = await create();
      same(await read(store, "index/_/ab/abc.json"), undefined, "absent");
      await store.put("index/_/ab/abc.json", bytes("one"));
      await store.put("index/_/ab/abc.json", bytes("two"));
      await store.put("index/@company/ab/abc.json", bytes("other"));
      same(await read(store, "index/_/ab/abc.json"), "two", "last put");
      same(await read(store, "index/@company/ab/abc.json"), "other", "another path");
    });
    test.it("clear() removes every document", async () => {
      const store = await create();
      await store.put("index/_/ab/abc.json", bytes("one"));
      await store.clear();
      same(await read(store, "index/_/ab/abc.json"), undefined, "after clear");
      await store.put("index/_/ab/abc.json", bytes("again"));
      same(await read(store, "index/_/ab/abc.json"), "again", "after clear and put");
    });
  });
}
