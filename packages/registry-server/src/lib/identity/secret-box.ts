const NONCE_BYTES = 12;

async function keyOf(secret: Uint8Array, purpose: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", Uint8Array.from(secret), "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(`lading ${purpose}`);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info },
    material,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
}

/** Seals short secrets for storage (AES-256-GCM under a key of the server's secret), each bound to whom it belongs. */
export class SecretBox {
  readonly #key: Promise<CryptoKey>;

  /** `purpose` tells boxes over one secret apart. */
  constructor(secret: Uint8Array, purpose: string) {
    this.#key = keyOf(secret, purpose);
  }

  async seal(text: string, owner: string): Promise<string> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const additionalData = new TextEncoder().encode(owner);
    const algorithm = { name: "AES-GCM", iv: nonce, additionalData };
    const sealed = await crypto.subtle.encrypt(algorithm, await this.#key, new TextEncoder().encode(text));
    return Buffer.concat([nonce, new Uint8Array(sealed)]).toString("base64");
  }

  /** The text, or `undefined` where it was sealed with another secret, for another owner, or altered. */
  async open(sealed: string, owner: string): Promise<string | undefined> {
    const bytes = Buffer.from(sealed, "base64");
    const iv = Uint8Array.from(bytes.subarray(0, NONCE_BYTES));
    const additionalData = new TextEncoder().encode(owner);
    try {
      const algorithm = { name: "AES-GCM", iv, additionalData };
      const rest = Uint8Array.from(bytes.subarray(NONCE_BYTES));
      return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, await this.#key, rest));
    } catch {
      return undefined;
    }
  }
}
