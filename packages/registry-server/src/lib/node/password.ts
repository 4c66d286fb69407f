import crypto, { randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { PasswordHasher } from "../ports.ts";

// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB = 19_456;
const PASSES = 2;
const PARALLELISM = 1;
const TAG_BYTES = 32;
const ENCODED =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

interface Parameters {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tagLength: number;
}

type NativeArgon2 = (
  algorithm: "argon2id",
  parameters: {
    message: Uint8Array;
    nonce: Uint8Array;
    parallelism: number;
    tagLength: number;
    memory: number;
    passes: number;
  },
) => Promise<Buffer>;

// node:crypto has argon2 from Node 24.7 on.
const native = (crypto as { argon2?: (...values: never[]) => void }).argon2;

async function derive(password: string, parameters: Parameters): Promise<Buffer> {
  const { memory, passes, parallelism, salt, tagLength } = parameters;
  if (native !== undefined) {
    const argon2 = promisify(native) as unknown as NativeArgon2;
    return argon2("argon2id", { message: Buffer.from(password), nonce: salt, parallelism, tagLength, memory, passes });
  }
  const { hashRaw } = await import("@node-rs/argon2");
  return hashRaw(password, {
    // Members of a const enum, which has no value at run time: argon2id, version 0x13.
    algorithm: 2,
    version: 1,
    memoryCost: memory,
    timeCost: passes,
    parallelism,
    salt,
    outputLen: tagLength,
  });
}

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replaceAll("=", "");

/** Argon2id in PHC string form, by node:crypto where the runtime has it, else by `@node-rs/argon2`. */
export class Argon2Hasher implements PasswordHasher {
  readonly #memory: number;

  /** `memoryKib` may be lowered for tests. */
  constructor(options: { readonly memoryKib?: number } = {}) {
    this.#memory = options.memoryKib ?? MEMORY_KIB;
  }

  async hash(password: string): Promise<string> {
    const salt = randomBytes(16);
    const tag = await derive(password, {
      memory: this.#memory,
      passes: PASSES,
      parallelism: PARALLELISM,
      salt,
      tagLength: TAG_BYTES,
    });
    return `$argon2id$v=19$m=${this.#memory},t=${PASSES},p=${PARALLELISM}$${unpadded(salt)}$${unpadded(tag)}`;
  }

  async verify(password: string, encoded: string): Promise<boolean> {
    const match = ENCODED.exec(encoded);
    if (match === null) {
      // The same work as for a real account, so that time does not tell whether the account exists.
      await this.hash(password);
      return false;
    }
    const [, memory, passes, parallelism, salt, tag] = match;
    const expected = Buffer.from(tag!, "base64");
    const found = await derive(password, {
      memory: Number(memory),
      passes: Number(passes),
      parallelism: Number(parallelism),
      salt: Buffer.from(salt!, "base64"),
      tagLength: expected.length,
    });
    return timingSafeEqual(found, expected);
  }
}
