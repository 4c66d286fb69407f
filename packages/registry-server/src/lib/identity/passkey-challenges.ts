import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock, MetadataStore } from "../ports.ts";

/** What a challenge is for: one that was made for the one opens nothing else. */
export type ChallengePurpose = "register" | "login";

/** How long a person has to answer a challenge, in milliseconds. */
export const CHALLENGE_LIFETIME_MS: number = 5 * 60 * 1000;

const NONCE_BYTES = 16;
const TIME_BYTES = 6;
const MAC_BYTES = 32;

/**
 * Challenges that nothing is stored of until they are answered, so that asking for them fills no database: each carries its
 * end and a code of the server's secret, which all servers of a registry know. An answer uses it up in the store.
 */
export class PasskeyChallenges {
  readonly #key: Uint8Array;
  readonly #metadata: Pick<MetadataStore, "identities">;
  readonly #clock: Clock;

  constructor(options: {
    readonly secret: Uint8Array;
    readonly metadata: Pick<MetadataStore, "identities">;
    readonly clock: Clock;
  }) {
    const key = hkdfSync("sha256", options.secret, new Uint8Array(), "lading passkey challenges", MAC_BYTES);
    this.#key = new Uint8Array(key);
    this.#metadata = options.metadata;
    this.#clock = options.clock;
  }

  #mac(head: Uint8Array, purpose: ChallengePurpose, accountId: string): Uint8Array {
    return createHmac("sha256", this.#key).update(`${purpose}\0${accountId}\0`).update(head).digest();
  }

  /** A new challenge; `accountId` is empty where it is not known yet who will answer. */
  issue(purpose: ChallengePurpose, accountId: string): Uint8Array<ArrayBuffer> {
    const head = Buffer.alloc(NONCE_BYTES + TIME_BYTES);
    randomBytes(NONCE_BYTES).copy(head);
    head.writeUIntBE(this.#clock.now() + CHALLENGE_LIFETIME_MS, NONCE_BYTES, TIME_BYTES);
    return Uint8Array.from([...head, ...this.#mac(head, purpose, accountId)]);
  }

  /** Uses a challenge (base64url) up; what is wrong with it, `undefined` where it holds. */
  async redeem(challenge: string, purpose: ChallengePurpose, accountId: string): Promise<string | undefined> {
    const bytes = Buffer.from(challenge, "base64url");
    const head = bytes.subarray(0, NONCE_BYTES + TIME_BYTES);
    const mac = bytes.subarray(head.length);
    // The one form of its text: another one of the same bytes would be used a second time.
    const isOurs = bytes.toString("base64url") === challenge && mac.length === MAC_BYTES;
    if (!isOurs || !timingSafeEqual(mac, this.#mac(head, purpose, accountId)))
      return "its challenge is none that this registry made for this";
    const expires = head.readUIntBE(NONCE_BYTES, TIME_BYTES);
    const now = this.#clock.now();
    if (expires <= now) return "its challenge expired";
    const first = await this.#metadata.identities.useOnce(`passkey ${challenge}`, { expires, now });
    return first ? undefined : "its challenge was answered before";
  }
}
