import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestFromBytes, type Digest } from "@lading/core-manifest";
import { testSigner, testStatement, testTrust } from "../testing/builders.ts";
import { digestFile, readSideFile, sideFilePath, signFile, verifyFile } from "./side-file.ts";

let folder: string;
let file: string;
let blob: Digest;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lading-side-"));
  file = join(folder, "tool-1.0.0.lpk");
  await writeFile(file, "package bytes");
  blob = await digestFile(file);
});
afterEach(() => rm(folder, { recursive: true }));

const [ann, bob] = [testSigner("ann"), testSigner("bob")];
const policy = testTrust([ann]);

async function judge(options: Partial<Parameters<typeof verifyFile>[0]> = {}): Promise<string> {
  const verdict = await verifyFile({ file, policy, expect: {}, ...options });
  return verdict.ok ? "ok" : verdict.code;
}

describe("signFile() and verifyFile()", () => {
  test("sign beside the file, leave its bytes, and verify", async () => {
    const { path } = await signFile({ file, statement: testStatement({ blob }), signers: [ann] });
    expect(path).toBe(sideFilePath(file));
    expect(await readFile(file, "utf8")).toBe("package bytes");
    expect(await judge()).toBe("ok");
    expect(await judge({ expect: { name: "company/tool", version: "1.0.0" } })).toBe("ok");
    expect(await judge({ expect: { version: "2.0.0" } })).toBe("SIGNATURE_SUBJECT_MISMATCH");
    expect(await judge({ expect: { blob: digestFromBytes(new Uint8Array(32)) } })).toBe("SIGNATURE_SUBJECT_MISMATCH");
  });

  test("notice an altered byte, another key and a missing signature, each with its code", async () => {
    expect(await judge()).toBe("SIGNATURE_MISSING");
    await signFile({ file, statement: testStatement({ blob }), signers: [ann] });
    expect(await judge({ policy: testTrust([bob]) })).toBe("SIGNATURE_KEY_UNKNOWN");
    await writeFile(file, "package bytez");
    expect(await judge()).toBe("SIGNATURE_SUBJECT_MISMATCH");
    expect(await judge({ expect: { blob } })).toBe("SIGNATURE_SUBJECT_MISMATCH");
  });

  test("signing again changes nothing; another signature needs `overwrite`", async () => {
    const statement = testStatement({ blob });
    const { path } = await signFile({ file, statement, signers: [ann] });
    const before = (await stat(path)).ino;
    await signFile({ file, statement, signers: [ann] });
    expect((await stat(path)).ino).toBe(before);
    await expect(signFile({ file, statement, signers: [bob] })).rejects.toMatchObject({
      code: "SIGNATURE_FILE_EXISTS",
    });
    await signFile({ file, statement, signers: [bob], overwrite: true });
    expect(await judge({ policy: testTrust([bob]) })).toBe("ok");
  });

  test("refuses a statement of another file", async () => {
    await expect(signFile({ file, statement: testStatement(), signers: [ann] })).rejects.toMatchObject({
      code: "SIGNATURE_SUBJECT_MISMATCH",
    });
    expect(await readSideFile(sideFilePath(file))).toBeUndefined();
  });

  test("refuses a huge side file without reading it", async () => {
    await writeFile(sideFilePath(file), Buffer.alloc(1_000_000, 32));
    expect((await readSideFile(sideFilePath(file)))!.length).toBe(65_537);
    expect(await judge()).toBe("ENVELOPE_MALFORMED");
  });

  test("say what cannot be read or written", async () => {
    await expect(digestFile(join(folder, "none"))).rejects.toMatchObject({ code: "SIGNATURE_FILE_IO" });
    await mkdir(sideFilePath(file));
    await expect(judge()).rejects.toMatchObject({ code: "SIGNATURE_FILE_IO" });
    const output = join(folder, "none/x.sig");
    await expect(signFile({ file, statement: testStatement({ blob }), signers: [ann], output })).rejects.toMatchObject({
      code: "SIGNATURE_FILE_IO",
    });
  });

  test("stop when their signal says so", async () => {
    await expect(digestFile(file, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });
});
