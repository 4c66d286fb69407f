import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, readdir, readlink, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { StagedFile, type SealedFile } from "./staged-file.ts";

const MEMORY_MAX_BYTES = 64 * 1024;
const directories: string[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** Keeps what is sealed as a store of files does, and tells what it got. */
async function begin() {
  const directory = await mkdtemp(join(tmpdir(), "lading-staged-"));
  directories.push(directory);
  const kept: Buffer[] = [];
  const keep = async ({ toFile }: SealedFile) => {
    const { file, handle } = await toFile();
    await handle.sync();
    kept.push(await readFile(file));
    return "copied" as const;
  };
  return { directory, staged: new StagedFile(directory, keep), kept, left: async () => readdir(directory) };
}

/** Files below a directory that this process has open, where the system tells. */
async function openBelow(directory: string): Promise<readonly string[]> {
  const handles = await readdir("/proc/self/fd").catch(() => []);
  const files = await Promise.all(handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => "")));
  return files.filter((file) => file.startsWith(directory));
}

/** So few turns that nothing can have come from the disk meanwhile. */
async function fewTurns(): Promise<void> {
  for (let turn = 0; turn < 16; turn += 1) await Promise.resolve();
}

/** The disk takes so many bytes and is full then. */
async function fullAfter(bytes: number): Promise<void> {
  const handle = await open(tmpdir(), "r");
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const write = Reflect.get(prototype, "write") as (
    this: FileHandle,
    ...args: readonly unknown[]
  ) => ReturnType<FileHandle["write"]>;
  let left = bytes;
  const limited = async function (this: FileHandle, chunk: Uint8Array, at: number, count: number) {
    if (left === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const taken = Math.min(left, count);
    left -= taken;
    return write.call(this, chunk, at, taken);
  };
  vi.spyOn(prototype, "write").mockImplementation(limited as unknown as FileHandle["write"]);
}

describe("StagedFile", () => {
  it("discard() waits for a commit() that opens its file, and the file has the bytes", async () => {
    const { staged, kept, left } = await begin();
    await staged.write(Buffer.from("the bytes"));
    const committing = staged.commit();
    await fewTurns();
    await staged.discard();
    expect(kept.map(String)).toEqual(["the bytes"]);
    await committing;
    expect(await left()).toEqual([]);
  });

  it("discard() while a write opens the file leaves neither file nor handle", async () => {
    const { directory, staged, left } = await begin();
    const writing = staged.write(randomBytes(MEMORY_MAX_BYTES + 1)).catch((error: unknown) => error);
    await staged.discard();
    expect(await writing).toMatchObject({ message: "this staged blob is discarded" });
    expect(await left()).toEqual([]);
    expect(await openBelow(directory)).toEqual([]);
  });

  it("commit() after discard() is refused", async () => {
    const { staged, kept } = await begin();
    await staged.write(Buffer.from("gone"));
    await staged.discard();
    await expect(staged.commit()).rejects.toThrow("discarded");
    expect(kept).toEqual([]);
  });

  it("commit() of what the disk had no room for is refused, at each try, and leaves no file", async () => {
    const { staged, kept, left } = await begin();
    await staged.write(Buffer.from("more than three bytes"));
    await fullAfter(3);
    await expect(staged.commit()).rejects.toMatchObject({ code: "STORAGE_FULL" });
    vi.restoreAllMocks();
    await expect(staged.commit()).rejects.toMatchObject({ code: "STORAGE_FULL" });
    await staged.discard();
    expect(kept).toEqual([]);
    expect(await left()).toEqual([]);
  });

  it("commit() of a file that a write did not fill is refused", async () => {
    const { staged, kept, left } = await begin();
    await fullAfter(MEMORY_MAX_BYTES + 10);
    await staged.write(randomBytes(MEMORY_MAX_BYTES + 1));
    await expect(staged.write(randomBytes(100))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    await expect(staged.commit()).rejects.toThrow(`${MEMORY_MAX_BYTES + 1} of ${MEMORY_MAX_BYTES + 101} bytes`);
    await staged.discard();
    expect(kept).toEqual([]);
    expect(await left()).toEqual([]);
  });

  it("stores bytes that come one by one, through memory into a file", async () => {
    const { staged, kept } = await begin();
    const bytes = randomBytes(MEMORY_MAX_BYTES + 3);
    for (const byte of bytes) await staged.write(Uint8Array.of(byte));
    await staged.commit();
    expect(kept[0]!.equals(bytes)).toBe(true);
    await staged.discard();
  });

  it("has the bytes of a small upload in a buffer that is not larger than it may be", async () => {
    const { staged } = await begin();
    const bytes = randomBytes(MEMORY_MAX_BYTES - 1);
    for (let at = 0; at < bytes.length; at += 7) await staged.write(bytes.subarray(at, at + 7));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    expect(await staged.seal()).toEqual({ digest, size: bytes.length });
    expect(Buffer.compare(staged.bytes!, bytes)).toBe(0);
    expect(staged.bytes!.buffer.byteLength).toBeLessThanOrEqual(MEMORY_MAX_BYTES);
    await staged.discard();
  });
});
