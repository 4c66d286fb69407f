import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors as joseErrors,
  jwtVerify,
  type JWTVerifyGetKey,
} from "jose";
import { z } from "zod";
import type { Outbound } from "../outbound.ts";
import type { Clock } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import { sha256Hex } from "../token.ts";
import type { Claims } from "./trusted-publisher.ts";

/** Asymmetric algorithms only: with a shared secret, whoever can check a token can make one. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

const TOKEN_MAX_LENGTH = 16_384;
const CLOCK_TOLERANCE_S = 30;
// Longer than any build system's tokens live; what is older is a copy that somebody kept.
const TOKEN_MAX_AGE_S = 3600;
const DISCOVERY_TTL_MS = 10 * 60 * 1000;
const FETCH_TIMEOUT_MS = 5000;
const DOCUMENT_MAX_BYTES = 256 * 1024;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** A token whose signature, issuer, audience and times hold. */
export interface VerifiedToken {
  readonly issuer: string;
  readonly subject: string;
  /** Names this token among all of its issuer. */
  readonly id: string;
  /** End of its life, in milliseconds since the epoch. */
  readonly expires: number;
  readonly claims: Claims;
  /** As `claims`, with lists and objects. */
  readonly payload: Readonly<Record<string, unknown>>;
}

function refused(
  problem: string,
  hint = "Ask the issuer for a new token for this registry",
  cause?: unknown,
): RegistryError {
  return new RegistryError({
    code: "IDENTITY_TOKEN_REFUSED",
    message: `Cannot accept the identity token: ${problem}`,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

function unavailable(issuer: string, cause: unknown): RegistryError {
  return new RegistryError({
    code: "ISSUER_UNAVAILABLE",
    message: `Cannot get the keys of "${issuer}": ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "Try again; the operator checks that the server reaches the issuer",
    cause,
  });
}

function asText(payload: Readonly<Record<string, unknown>>): Claims {
  const claims: Record<string, string> = {};
  for (const [name, value] of Object.entries(payload)) {
    if (["string", "number", "boolean"].includes(typeof value)) claims[name] = String(value);
  }
  return claims;
}

async function limited(response: Response): Promise<string> {
  const length = Number(response.headers.get("content-length") ?? 0);
  const bytes = length > DOCUMENT_MAX_BYTES ? undefined : new Uint8Array(await response.arrayBuffer());
  if (bytes === undefined || bytes.length > DOCUMENT_MAX_BYTES)
    throw new Error(`the answer is larger than ${DOCUMENT_MAX_BYTES} bytes`);
  return new TextDecoder().decode(bytes);
}

interface KnownKeys {
  readonly keys: JWTVerifyGetKey;
  readonly until: number;
}

/** Verifies OpenID Connect tokens of issuers that the operator named. */
export class IdentityTokens {
  readonly #issuers: readonly string[];
  readonly #clock: Clock;
  readonly #outbound: Outbound | undefined;
  readonly #known = new Map<string, Promise<KnownKeys>>();

  /**
   * Only tokens of `issuers` are looked at. Their hosts, which the operator named, may be on a private network; another host
   * that one of them names may not.
   */
  constructor(options: {
    readonly issuers: readonly string[];
    readonly clock: Clock;
    readonly outbound: Outbound | undefined;
  }) {
    this.#issuers = options.issuers;
    this.#clock = options.clock;
    this.#outbound = options.outbound?.allowing(options.issuers.map((issuer) => new URL(issuer).host));
  }

  /**
   * Checks signature, issuer, audience and times.
   * @throws {RegistryError} `IDENTITY_TOKEN_REFUSED`, `ISSUER_UNAVAILABLE`
   */
  async verify(token: string, audience: string): Promise<VerifiedToken> {
    const issuer = this.#issuerOf(token);
    const { keys } = await this.#keysOf(issuer);
    const payload = await this.#checked(token, keys, { issuer, audience });
    return {
      issuer,
      subject: payload["sub"] as string,
      id: typeof payload["jti"] === "string" ? payload["jti"] : await sha256Hex(new TextEncoder().encode(token)),
      expires: (payload["exp"] as number) * 1000,
      claims: asText(payload),
      payload,
    };
  }

  // What is not verified yet chooses between the issuers that are configured, and nothing else.
  #issuerOf(token: string): string {
    if (token.length > TOKEN_MAX_LENGTH) throw refused(`it is longer than ${TOKEN_MAX_LENGTH} characters`);
    let issuer: unknown;
    try {
      issuer = decodeJwt(token).iss;
    } catch (cause) {
      throw refused("it is no JSON Web Token", undefined, cause);
    }
    const known = this.#issuers.find((each) => each === (typeof issuer === "string" ? issuer.replace(/\/$/, "") : ""));
    if (known !== undefined) return known;
    throw refused(
      `its issuer is "${String(issuer).slice(0, 200)}", allowed are ${this.#issuers.map((each) => `"${each}"`).join(", ") || "none"}`,
      "The operator names issuers with REGISTRY_CI_ISSUERS",
    );
  }

  async #checked(
    token: string,
    keys: JWTVerifyGetKey,
    { issuer, audience }: { readonly issuer: string; readonly audience: string },
  ): Promise<Record<string, unknown>> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: [issuer, `${issuer}/`],
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ["sub", "exp", "iat"],
        clockTolerance: CLOCK_TOLERANCE_S,
        maxTokenAge: TOKEN_MAX_AGE_S,
        currentDate: new Date(this.#clock.now()),
      });
      return payload;
    } catch (error) {
      if (error instanceof joseErrors.JWKSTimeout) throw unavailable(issuer, error);
      if (error instanceof joseErrors.JWTExpired) throw refused("it expired", undefined, error);
      if (error instanceof joseErrors.JWTClaimValidationFailed && error.claim === "aud")
        throw refused(`it is not for this registry; its audience must be "${audience}"`, undefined, error);
      if (error instanceof joseErrors.JWKSNoMatchingKey || error instanceof joseErrors.JWSSignatureVerificationFailed)
        throw refused(`"${issuer}" did not sign it`, undefined, error);
      if (error instanceof joseErrors.JOSEError) throw refused(error.message, undefined, error);
      throw unavailable(issuer, error);
    }
  }

  async #keysOf(issuer: string): Promise<KnownKeys> {
    const known = await this.#known.get(issuer)?.catch(() => undefined);
    if (known !== undefined && known.until > this.#clock.now()) return known;
    const found = this.#discover(issuer);
    this.#known.set(issuer, found);
    return found;
  }

  async #discover(issuer: string): Promise<KnownKeys> {
    try {
      const response = await this.#get(`${issuer}/.well-known/openid-configuration`);
      const document = discovery.parse(JSON.parse(await limited(response)));
      if (document.issuer.replace(/\/$/, "") !== issuer) throw new Error(`it calls itself "${document.issuer}"`);
      if (!sameSafety(issuer, document.jwks_uri))
        throw new Error(`its keys are at "${document.jwks_uri}", not encrypted`);
      const keys = createRemoteJWKSet(new URL(document.jwks_uri), {
        timeoutDuration: FETCH_TIMEOUT_MS,
        [customFetch]: (url, { headers, signal }) => this.#fetch(url, Object.fromEntries(headers), signal),
      });
      return { keys, until: this.#clock.now() + DISCOVERY_TTL_MS };
    } catch (cause) {
      throw unavailable(issuer, cause);
    }
  }

  async #fetch(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const request = { headers, signal, redirect: "error" } as const;
    return this.#outbound === undefined ? fetch(url, request) : this.#outbound.fetch(url, request);
  }

  async #get(url: string): Promise<Response> {
    const response = await this.#fetch(url, {}, AbortSignal.timeout(FETCH_TIMEOUT_MS));
    if (!response.ok) throw new Error(`"${url}" answers ${response.status}`);
    return response;
  }
}

function sameSafety(issuer: string, other: string): boolean {
  return other.startsWith("https:") || (issuer.startsWith("http:") && new URL(issuer).host === new URL(other).host);
}
