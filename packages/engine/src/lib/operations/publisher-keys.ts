import path from "node:path";
import type { PrivateKey } from "@lading/signing";
import type { KeyStatement } from "@lading/signing/publisher";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { trustFile } from "../signatures.ts";
import { readSigningKey, type KeyInput } from "./signing.ts";

/** A key of a publisher, as its registry says. */
export interface PublisherKeyState {
  readonly fingerprint: string;
  /** `active`, `pending`, `replaced`, `revoked` or `lapsed`. */
  readonly state: string;
  readonly previous?: string;
  /** End of the waiting period of a recovery. */
  readonly effective?: string;
}

/** Signing keys of an account. */
export interface KeyList {
  readonly registry: string;
  readonly account: string;
  readonly keys: readonly PublisherKeyState[];
}

/** A statement about a key that the registry has logged. */
export interface LoggedKeyChange {
  readonly registry: string;
  readonly account: string;
  readonly change: "rotate" | "recover" | "revoke";
  readonly key: string;
  readonly previous?: string;
  /** Index in the registry's log. */
  readonly entry: number;
  /** Of a recovery: when it takes effect unless the old key objects. */
  readonly effective?: string;
  /** Of a revocation: the entry from which the key is not trusted. */
  readonly fromIndex?: number;
  /** `c2sp.org/tlog-proof@v1` that the statement is logged. */
  readonly proof: string;
}

interface Place {
  readonly account: string;
  readonly registry: string;
  readonly log: { readonly origin: string; readonly size: number };
  readonly list: KeyList;
}

type Json = Readonly<Record<string, unknown>>;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function optionalText<Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: string } {
  return (typeof value === "string" ? { [key]: value } : {}) as { readonly [K in Key]?: string };
}

function keyState(item: Json): PublisherKeyState {
  const { fingerprint, state, previous, effective } = item;
  return {
    fingerprint: text(fingerprint),
    state: text(state),
    ...optionalText("previous", previous),
    ...optionalText("effective", effective),
  };
}

async function placeOf(context: EngineContext, account?: string): Promise<Place> {
  const client = (await context.registries()).default;
  const { signal } = context;
  const whose = account ?? (await client.whoami({ signal })).username;
  const answer = await client.publisherKeys(whose, { signal });
  const keys = Array.isArray(answer.keys) ? (answer.keys as readonly Json[]).map(keyState) : [];
  const { origin, size } = (answer.log ?? {}) as { readonly origin?: unknown; readonly size?: unknown };
  const registry = client.registry.name;
  const list = { registry, account: whose, keys };
  return { account: whose, registry, list, log: { origin: text(origin), size: Number(size ?? 0) } };
}

/** The signing keys of an account, which are in use and what became of the others; one's own unless told otherwise. */
export async function keyList(input: { readonly account?: string }, context: EngineContext): Promise<KeyList> {
  return (await placeOf(context, input.account)).list;
}

function requireLog({ log, registry }: Place): string {
  if (log.origin !== "") return log.origin;
  throw new EngineError({
    code: "KEY_CHANGE_IMPOSSIBLE",
    message: `Cannot change a key at registry "${registry}": it keeps no log that a statement could count in`,
    hint: "Remove the old key and register a new one there, and tell those who pinned the old one",
  });
}

async function send(
  statement: KeyStatement,
  signers: readonly PrivateKey[],
  context: EngineContext,
): Promise<LoggedKeyChange> {
  const { softwareSigner } = await import("@lading/signing");
  const { encodeKeyStatement } = await import("@lading/signing/publisher");
  const client = (await context.registries()).default;
  const envelope = await encodeKeyStatement(
    statement,
    signers.map(({ seed }) => softwareSigner(seed)),
  );
  const answer = await client.sendKeyStatement(envelope, { signal: context.signal });
  const { account, change, key, previous, effective, entry, from_index: fromIndex, log } = answer;
  return {
    registry: client.registry.name,
    account: text(account),
    change: change as LoggedKeyChange["change"],
    key: text(key),
    ...optionalText("previous", previous),
    ...optionalText("effective", effective),
    ...(typeof fromIndex === "number" ? { fromIndex } : {}),
    entry: Number(entry),
    proof: text((log as Json | undefined)?.["proof"]),
  };
}

async function trust(key: PrivateKey, label: string, context: EngineContext): Promise<void> {
  const { openTrustStore } = await import("@lading/signing/node");
  await openTrustStore(trustFile(context)).add({ publicKey: key.publicKey, label: path.basename(label) });
}

/** Which key takes the place of which. */
export interface KeyRotateInput extends KeyInput {
  /** Private key file of the new key, made by `keygen`. */
  readonly to: string;
  readonly reason?: string | undefined;
}

/**
 * Puts a new signing key in the place of one that is in use; both sign. Whoever pinned the old key follows to the new one.
 * @throws {RegistryClientError} `REGISTRY_REQUEST_REFUSED` where the old key is not in use
 */
export async function keyRotate(input: KeyRotateInput, context: EngineContext): Promise<LoggedKeyChange> {
  const { fingerprint } = await import("@lading/signing");
  const old = await readSigningKey(input, context);
  const next = await readSigningKey({ key: input.to, passphrase: input.passphrase }, context);
  const place = await placeOf(context);
  const done = await send(
    {
      kind: "rotation",
      account: place.account,
      log: requireLog(place),
      key: next.publicKey,
      previous: fingerprint(old.publicKey),
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    },
    [old, next],
    context,
  );
  await trust(next, input.to, context);
  return done;
}

/** Which key is lost, and which is to take its place. */
export interface KeyRecoverInput extends KeyInput {
  /** Fingerprint of the lost key; the only one in use unless given. */
  readonly lost?: string | undefined;
  readonly reason?: string | undefined;
}

function onlyActive({ list, account }: Place): string {
  const active = list.keys.filter(({ state }) => state === "active");
  if (active.length === 1) return active[0]!.fingerprint;
  const named = active.map(({ fingerprint }) => `"${fingerprint}"`).join(", ");
  throw new EngineError({
    code: "KEY_CHANGE_IMPOSSIBLE",
    message: `Cannot tell which key of "${account}" is lost: ${active.length === 0 ? "none is in use" : `in use are ${named}`}`,
    hint: active.length === 0 ? "Publish with a new key" : "Name it with --lost FINGERPRINT",
  });
}

/**
 * Announces a new signing key in the place of a lost one. It takes effect after a waiting period in which everybody can
 * see it, and whoever has the old key can revoke it.
 */
export async function keyRecover(input: KeyRecoverInput, context: EngineContext): Promise<LoggedKeyChange> {
  const next = await readSigningKey(input, context);
  const place = await placeOf(context);
  const done = await send(
    {
      kind: "recovery",
      account: place.account,
      log: requireLog(place),
      key: next.publicKey,
      previous: input.lost ?? onlyActive(place),
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    },
    [next],
    context,
  );
  await trust(next, input.key ?? "recovered", context);
  return done;
}

/** Which key is not to be trusted any more, and from when. */
export interface KeyRevokeInput extends KeyInput {
  /** Public or private key file of the key that is revoked; the signing key itself unless given. */
  readonly revoked?: string | undefined;
  /** First entry of the log for which it is not trusted; from now on unless given. */
  readonly fromIndex?: number | undefined;
  readonly reason?: string | undefined;
}

async function revokedKey(
  { revoked }: KeyRevokeInput,
  signer: PrivateKey,
  context: EngineContext,
): Promise<Uint8Array> {
  if (revoked === undefined) return signer.publicKey;
  const { readPublicKeyFile } = await import("@lading/signing/node");
  return (await readPublicKeyFile(path.resolve(context.cwd, revoked))).publicKey;
}

/** Ends the trust in a key from an entry of the log on: what it signed before stays good, what came later does not. */
export async function keyRevoke(input: KeyRevokeInput, context: EngineContext): Promise<LoggedKeyChange> {
  const signer = await readSigningKey(input, context);
  const key = await revokedKey(input, signer, context);
  const place = await placeOf(context);
  return send(
    {
      kind: "revocation",
      account: place.account,
      log: requireLog(place),
      key,
      fromIndex: input.fromIndex ?? place.log.size,
      ...(input.reason === undefined ? {} : { reason: input.reason }),
    },
    [signer],
    context,
  );
}
