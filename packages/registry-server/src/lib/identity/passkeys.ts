import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import { z } from "zod";
import type { Clock, MetadataStore } from "../ports.ts";
import type { Account, AuditEntry } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { CHALLENGE_LIFETIME_MS, PasskeyChallenges, type ChallengePurpose } from "./passkey-challenges.ts";
import type { Passkey, PasskeySite } from "./passkey.ts";

/** EdDSA, ES256 and RS256 (RFC 9053 §2, RFC 8812 §2), in order of preference. */
const ALGORITHMS = [-8, -7, -257];

/** How many passkeys an account has, at most. */
export const PASSKEYS_MAX = 20;

/** What an authenticator made, as a browser's `toJSON()` gives it. */
export type NewCredential = RegistrationResponseJSON;
/** How an authenticator answered, as a browser's `toJSON()` gives it. */
export type CredentialAnswer = AuthenticationResponseJSON;

// Loaded by those who use passkeys, not by every server that starts.
const webauthn = () => import("@simplewebauthn/server");

/** Why a passkey, or what was said of one, is not accepted. */
export function passkeyRefused(problem: string, hint: string, cause?: unknown): RegistryError {
  return new RegistryError({
    code: "PASSKEY_REFUSED",
    message: `Cannot accept the passkey: ${problem}`,
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

const AGAIN = "Ask for a new challenge and use the passkey again";

/** Removes all passkeys of the account, each with its audit record; how many there were. */
export async function removePasskeys(
  { identities }: Pick<MetadataStore, "identities">,
  { id: accountId }: Account,
  audit: AuditEntry,
): Promise<number> {
  const passkeys = await identities.passkeysOf(accountId);
  for (const { id } of passkeys)
    await identities.removePasskey(accountId, id, { ...audit, details: { ...audit.details, passkey: id } });
  return passkeys.length;
}

/** Whose directory or provider decides at each login whether they are still there. */
function requireOwnLogin({ username, origin }: Account): void {
  if (origin === undefined) return;
  throw passkeyRefused(
    `"${username}" logs in with "${origin}", which a passkey does not ask`,
    "Log in with the password of the directory, or at the provider",
  );
}

/** That some login asks for a passkey: a provider's asks for nothing beside the provider. */
function requireUse(account: Account): void {
  if (account.origin?.startsWith("oidc:") === true) requireOwnLogin(account);
}

const clientData = z.object({ challenge: z.string().max(1024), crossOrigin: z.boolean().optional() });

/** The challenge that a client's data names; what it says else, the library checks. */
function challengeOf(clientDataJSON: string): string {
  let data: unknown;
  try {
    data = JSON.parse(Buffer.from(clientDataJSON, "base64url").toString("utf8"));
  } catch (cause) {
    throw passkeyRefused("its client data is no JSON", AGAIN, cause);
  }
  const { success, data: known } = clientData.safeParse(data);
  if (!success) throw passkeyRefused("its client data names no challenge", AGAIN);
  // The library takes such answers where the browser does not name the page around. Nobody frames a registry.
  if (known.crossOrigin === true) throw passkeyRefused("it was used in a page of another site", AGAIN);
  return known.challenge;
}

/** Runs a check of the library, which says with plain errors what does not hold. */
async function checked<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    throw passkeyRefused(cause instanceof Error ? cause.message : String(cause), AGAIN, cause);
  }
}

/** Logins with key pairs that authenticators keep (WebAuthn), each with the person's finger, face or PIN. */
export class Passkeys {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #challenges: PasskeyChallenges;
  readonly #name: string;

  constructor(options: {
    readonly metadata: MetadataStore;
    readonly clock: Clock;
    /** The server's secret; challenges are made with a key of it. */
    readonly secret: Uint8Array;
    /** Of the registry, as authenticators show it. */
    readonly name: string;
  }) {
    this.#metadata = options.metadata;
    this.#clock = options.clock;
    this.#name = options.name;
    this.#challenges = new PasskeyChallenges(options);
  }

  /** Oldest first. */
  async of(account: Account): Promise<readonly Passkey[]> {
    return this.#metadata.identities.passkeysOf(account.id);
  }

  /**
   * What a client needs to make a passkey of the account.
   * @throws {RegistryError} `PASSKEY_REFUSED`: people of a provider log in there alone
   */
  async registrationOptions(account: Account, { rpId }: PasskeySite): Promise<PublicKeyCredentialCreationOptionsJSON> {
    requireUse(account);
    const { generateRegistrationOptions } = await webauthn();
    const known = await this.of(account);
    return generateRegistrationOptions({
      rpName: this.#name,
      rpID: rpId,
      userName: account.username,
      userID: Uint8Array.from(Buffer.from(account.id, "utf8")),
      challenge: this.#challenges.issue("register", account.id),
      timeout: CHALLENGE_LIFETIME_MS,
      attestationType: "none",
      supportedAlgorithmIDs: ALGORITHMS,
      excludeCredentials: known.map(({ id, transports }) => ({
        id,
        transports: [...transports] as AuthenticatorTransport[],
      })),
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
    });
  }

  /**
   * Adds a passkey to the account.
   * @throws {RegistryError} `PASSKEY_REFUSED`, `PASSKEY_EXISTS`
   */
  async register(
    account: Account,
    { name, credential }: { readonly name: string; readonly credential: NewCredential },
    { site, audit }: { readonly site: PasskeySite; readonly audit: AuditEntry },
  ): Promise<Passkey> {
    requireUse(account);
    const challenge = await this.#redeemed(credential.response.clientDataJSON, "register", account.id);
    if ((await this.of(account)).length >= PASSKEYS_MAX)
      throw passkeyRefused(`"${account.username}" has ${PASSKEYS_MAX}, the most that are allowed`, "Remove one first");
    const { verifyRegistrationResponse } = await webauthn();
    const { verified, registrationInfo } = await checked(() =>
      verifyRegistrationResponse({
        response: credential,
        expectedChallenge: challenge,
        expectedOrigin: site.origin,
        expectedRPID: site.rpId,
        requireUserVerification: true,
        supportedAlgorithmIDs: ALGORITHMS,
      }),
    );
    if (!verified || registrationInfo === undefined) throw passkeyRefused("its attestation does not hold", AGAIN);
    const { id, publicKey, counter } = registrationInfo.credential;
    const passkey: Passkey = {
      id,
      accountId: account.id,
      name,
      publicKey: Buffer.from(publicKey).toString("base64url"),
      counter,
      transports: credential.response.transports ?? [],
      created: audit.at,
    };
    if ((await this.#metadata.identities.addPasskey(passkey, { ...audit, details: { id, name } })) === "created")
      return passkey;
    throw new RegistryError({
      code: "PASSKEY_EXISTS",
      message: `Cannot add passkey "${name}" to "${account.username}": it is registered already`,
    });
  }

  /** What a client needs to use a passkey; whose, it does not say, so that nobody can ask who has some. */
  async loginOptions({ rpId }: PasskeySite): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const { generateAuthenticationOptions } = await webauthn();
    return generateAuthenticationOptions({
      rpID: rpId,
      challenge: this.#challenges.issue("login", ""),
      timeout: CHALLENGE_LIFETIME_MS,
      userVerification: "required",
    });
  }

  /**
   * The account whose passkey answered. Each challenge opens once; a counter that does not rise is a copied key. Without
   * `account`, which has shown something else before, a passkey opens no account of a directory or provider: that would not
   * be asked whether the person is still there.
   * @throws {RegistryError} `PASSKEY_REFUSED`
   */
  async authenticate(
    credential: CredentialAnswer,
    { site, account }: { readonly site: PasskeySite; readonly account?: Account },
  ): Promise<Account> {
    const challenge = await this.#redeemed(credential.response.clientDataJSON, "login", "");
    const passkey = await this.#metadata.identities.passkey(credential.id);
    // One answer to a passkey that is unknown and to somebody else's.
    if (passkey === undefined || !isOf(passkey, credential, account))
      throw passkeyRefused("it is none of this account", "Use another, or log in with a password");
    const { verifyAuthenticationResponse } = await webauthn();
    const { verified, authenticationInfo } = await checked(() =>
      verifyAuthenticationResponse({
        response: credential,
        expectedChallenge: challenge,
        expectedOrigin: site.origin,
        expectedRPID: site.rpId,
        requireUserVerification: true,
        credential: {
          id: passkey.id,
          publicKey: Uint8Array.from(Buffer.from(passkey.publicKey, "base64url")),
          counter: passkey.counter,
        },
      }),
    );
    if (!verified) throw passkeyRefused("its signature does not hold", AGAIN);
    const use = { counter: authenticationInfo.newCounter, at: this.#clock.now() };
    // Of two answers with one counter, the store takes one.
    if (!(await this.#metadata.identities.usePasskey(passkey.id, use)))
      throw passkeyRefused("its counter did not rise; the authenticator was perhaps copied", "Remove the passkey");
    const owner = await this.#metadata.accountById(passkey.accountId);
    if (owner === undefined || owner.deleted !== undefined)
      throw passkeyRefused("it is none of this account", "Use another, or log in with a password");
    if (account === undefined) requireOwnLogin(owner);
    return owner;
  }

  async #redeemed(clientDataJSON: string, purpose: ChallengePurpose, accountId: string): Promise<string> {
    const challenge = challengeOf(clientDataJSON);
    const problem = await this.#challenges.redeem(challenge, purpose, accountId);
    if (problem === undefined) return challenge;
    throw passkeyRefused(problem, AGAIN);
  }
}

/** Whether the passkey is of the account that is expected, and of the one that the authenticator keeps it for. */
function isOf(passkey: Passkey, { response }: CredentialAnswer, account: Account | undefined): boolean {
  if (account !== undefined && passkey.accountId !== account.id) return false;
  const { userHandle } = response;
  return userHandle === undefined || Buffer.from(userHandle, "base64url").toString("utf8") === passkey.accountId;
}
