import { parseDigest } from "@lading/core-manifest";
import type { BlobStore, StagedBlob } from "../ports.ts";
import { sha256Hex } from "../token.ts";
import { same, type ContractTest } from "./contract.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function collect(stream: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let found = "";
  for await (const chunk of stream as AsyncIterable<Uint8Array>) found += decoder.decode(chunk, { stream: true });
  return found + decoder.decode();
}

async function stage(store: BlobStore, ...parts: string[]): Promise<StagedBlob> {
  const staged = await store.stage();
  for (const part of parts) await staged.write(text(part));
  return staged;
}

/** Checks what {@link BlobStore} promises. `create` makes an empty store that `recover` was called on. */
export function blobStoreContract(test: ContractTest, create: () => Promise<BlobStore>): void {
  const digestOf = async (value: string) => parseDigest(`sha256:${await sha256Hex(text(value))}`);
  test.describe("BlobStore contract", () => {
    test.it("seal() tells digest and size of all bytes written", async () => {
      const staged = await stage(await create(), "hello ", "world");
      same(await staged.seal(), { digest: await digestOf("hello world"), size: 11 }, "sealed");
      await staged.discard();
    });
    test.it("a staged blob is invisible until commit()", async () => {
      const store = await create();
      const staged = await stage(store, "abc");
      const { digest } = await staged.seal();
      same(await store.open(digest), undefined, "before commit");
      same(await collect(staged.read()), "abc", "staged bytes");
      same(await collect(staged.read()), "abc", "staged bytes, again");
      await staged.commit();
      const blob = await store.open(digest);
      same([blob?.size, await collect(blob!.stream())], [3, "abc"], "after commit");
      same(await collect(blob!.stream({ start: 1, end: 1 })), "b", "a range of it");
    });
    test.it("committing the same bytes twice is one blob", async () => {
      const store = await create();
      for (let round = 0; round < 2; round += 1) {
        const staged = await stage(store, "twice");
        await staged.seal();
        await staged.commit();
      }
      const found: string[] = [];
      for await (const digest of store.list()) found.push(digest);
      same(found, [await digestOf("twice")], "list");
    });
    test.it("discard() leaves nothing, twice and after commit() too", async () => {
      const store = await create();
      const dropped = await stage(store, "dropped");
      await dropped.discard();
      await dropped.discard();
      same(await store.open(await digestOf("dropped")), undefined, "discarded");
      const kept = await stage(store, "kept");
      await kept.seal();
      await kept.commit();
      await kept.discard();
      same((await store.open(await digestOf("kept")))?.size, 4, "discarded after commit");
    });
    test.it("takes many bytes from a buffer that is used again for each part", async () => {
      const store = await create();
      const staged = await store.stage();
      const buffer = new Uint8Array(30_000);
      let expected = "";
      for (const letter of "abcdefgh") {
        buffer.set(text(letter.repeat(buffer.length)));
        expected += letter.repeat(buffer.length);
        await staged.write(buffer);
        // Few bytes and many may be kept in different places: what was sealed is the same in each.
        if (letter !== "b") continue;
        const few = await stage(store, expected);
        same(await few.seal(), { digest: await digestOf(expected), size: 60_000 }, "few bytes");
        if (few.bytes !== undefined) same(new TextDecoder().decode(few.bytes), expected, "few bytes in memory");
        same(await collect(few.read()), expected, "few bytes that were staged");
        await few.discard();
      }
      buffer.fill(0);
      same(await staged.seal(), { digest: await digestOf(expected), size: 240_000 }, "sealed");
      same(await collect(staged.read()), expected, "staged bytes");
      await staged.commit();
      same(await collect((await store.open(await digestOf(expected)))!.stream()), expected, "stored bytes");
      await staged.discard();
    });
    test.it("keeps an empty blob", async () => {
      const store = await create();
      const staged = await stage(store);
      const { digest } = await staged.seal();
      await staged.commit();
      same(await collect((await store.open(digest))!.stream()), "", "empty");
    });
    test.it("remove() forgets a blob, absence is no error, and it can be stored again", async () => {
      const store = await create();
      for (let round = 0; round < 2; round += 1) {
        const staged = await stage(store, "gone");
        const { digest } = await staged.seal();
        await staged.commit();
        await staged.discard();
        same((await store.open(digest))?.size, 4, "stored");
        await store.remove(digest);
        await store.remove(digest);
        same(await store.open(digest), undefined, "removed");
      }
    });
    test.it("lets many uploads of the same bytes be committed at once", async () => {
      const store = await create();
      const uploads = await Promise.all(Array.from({ length: 8 }, () => stage(store, "same ", "bytes")));
      await Promise.all(uploads.map((staged) => staged.commit()));
      for (const staged of uploads) await staged.discard();
      same(await collect((await store.open(await digestOf("same bytes")))!.stream()), "same bytes", "one of them");
    });
    test.it("discard() while commit() is under way leaves the bytes or nothing", async () => {
      const store = await create();
      for (const letters of [3, 100_000]) {
        const expected = "x".repeat(letters);
        const digest = await digestOf(expected);
        for (const turns of [0, 1, 2, 4, 8, 16]) {
          for (const isThere of [false, true]) {
            if (isThere) {
              const first = await stage(store, expected);
              await first.commit();
              await first.discard();
            }
            const staged = await stage(store, expected);
            const committing = staged.commit().then(
              () => true,
              () => false,
            );
            for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
            await staged.discard();
            const committed = await committing;
            const blob = await store.open(digest);
            const found = blob && (await collect(blob.stream()));
            const what = `${letters} bytes, discarded after ${turns} turns`;
            if (committed || isThere || found !== undefined) same(found?.length, letters, what);
            same(found ?? expected, expected, what);
            await store.remove(digest);
          }
        }
      }
    });
    test.it("recover() keeps committed blobs, and check() resolves", async () => {
      const store = await create();
      const staged = await stage(store, "safe");
      const { digest } = await staged.seal();
      await staged.commit();
      const leftBehind = await stage(store, "left behind");
      await store.recover();
      await leftBehind.discard();
      await store.check();
      same((await store.open(digest))?.size, 4, "after recovery");
    });
  });
}
