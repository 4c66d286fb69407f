import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

type Json = Record<string, unknown>;
type Cbor = number | string | Uint8Array | Map<number | string, Cbor>;

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

/** CBOR (RFC 8949 §3) of what authenticators write. */
function cbor(item: Cbor): Buffer {
  if (typeof item === "number") return item < 0 ? head(1, -1 - item) : head(0, item);
  if (typeof item === "string") return Buffer.concat([head(3, Buffer.byteLength(item)), Buffer.from(item)]);
  if (item instanceof Uint8Array) return Buffer.concat([head(2, item.length), item]);
  const entries = [...item].flatMap(([key, value]) => [cbor(key), cbor(value)]);
  return Buffer.concat([head(5, item.size), ...entries]);
}

const fromUrl = (text: string): Buffer => Buffer.from(text, "base64url");
const toUrl = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const sha256 = (bytes: Uint8Array | string): Buffer => createHash("sha256").update(bytes).digest();

/** The public key as COSE writes it (RFC 9053 §7). */
function coseKey(publicKey: KeyObject, kind: "ES256" | "EdDSA"): Buffer {
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const common: [number, Cbor][] =
    kind === "ES256"
      ? [
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, fromUrl(x)],
          [-3, fromUrl(y)],
        ]
      : [
          [1, 1],
          [3, -8],
          [-1, 6],
          [-2, fromUrl(x)],
        ];
  return cbor(new Map(common));
}

/** What a test changes of an honest answer. */
export interface Deviation {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly crossOrigin?: boolean;
  readonly challenge?: string;
  /** Whether the person was verified (PIN, finger); `true` unless given. */
  readonly verified?: boolean;
  readonly present?: boolean;
  readonly counter?: number;
  /** `null` leaves it out. */
  readonly userHandle?: string | null;
  readonly key?: KeyObject;
}

/** An authenticator in software: one credential, with a counter, and the client that stands before it. */
export class SoftwareAuthenticator {
  readonly id: string = toUrl(randomBytes(32));
  readonly #kind: "ES256" | "EdDSA";
  readonly #origin: string;
  readonly #keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  #user = "";
  #counter = 0;
  #counts: boolean;

  constructor(origin: string, { kind = "ES256", counts = true }: { kind?: "ES256" | "EdDSA"; counts?: boolean } = {}) {
    this.#origin = origin;
    this.#kind = kind;
    this.#counts = counts;
    this.#keys = kind === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
  }

  #client(type: string, challenge: string, deviation: Deviation): Buffer {
    const data = {
      type: deviation.type ?? type,
      challenge: deviation.challenge ?? challenge,
      origin: deviation.origin ?? this.#origin,
      crossOrigin: deviation.crossOrigin ?? false,
    };
    return Buffer.from(JSON.stringify(data));
  }

  #authenticatorData(rpId: string, deviation: Deviation, attested?: Buffer): Buffer {
    if (this.#counts) this.#counter += 1;
    const { present = true, verified = true } = deviation;
    const flags = (present ? 1 : 0) | (verified ? 4 : 0) | (attested === undefined ? 0 : 64);
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(deviation.counter ?? this.#counter);
    const parts = [sha256(deviation.rpId ?? rpId), Buffer.from([flags]), counter];
    return Buffer.concat(attested === undefined ? parts : [...parts, attested]);
  }

  /** Makes the credential that registration options ask for (WebAuthn Level 3 §6.3.2), attestation `none`. */
  create(options: Json, deviation: Deviation = {}): Json {
    const { challenge, rp, user } = options as { challenge: string; rp: { id: string }; user: { id: string } };
    this.#user = user.id;
    const idLength = Buffer.alloc(2);
    idLength.writeUInt16BE(fromUrl(this.id).length);
    const attested = Buffer.concat([
      Buffer.alloc(16),
      idLength,
      fromUrl(this.id),
      coseKey(this.#keys.publicKey, this.#kind),
    ]);
    const attestation = new Map<string, Cbor>([
      ["fmt", "none"],
      ["attStmt", new Map()],
      ["authData", this.#authenticatorData(rp.id, deviation, attested)],
    ]);
    return {
      id: this.id,
      rawId: this.id,
      type: "public-key",
      clientExtensionResults: {},
      response: {
        clientDataJSON: toUrl(this.#client("webauthn.create", challenge, deviation)),
        attestationObject: toUrl(cbor(attestation)),
        transports: ["internal"],
      },
    };
  }

  /** Answers request options (§6.3.3). */
  get(options: Json, deviation: Deviation = {}): Json {
    const { challenge, rpId } = options as { challenge: string; rpId: string };
    const client = this.#client("webauthn.get", challenge, deviation);
    const data = this.#authenticatorData(rpId, deviation);
    const algorithm = this.#kind === "ES256" ? "sha256" : null;
    const key = deviation.key ?? this.#keys.privateKey;
    const signature = sign(algorithm, Buffer.concat([data, sha256(client)]), key);
    const { userHandle = this.#user } = deviation;
    return {
      id: this.id,
      rawId: this.id,
      type: "public-key",
      clientExtensionResults: {},
      response: {
        clientDataJSON: toUrl(client),
        authenticatorData: toUrl(data),
        signature: toUrl(signature),
        ...(userHandle === null ? {} : { userHandle }),
      },
    };
  }
}
