import { Api, isAuthRefusal } from "./api.ts";
import type { Account, CallOptions, IdentityProof } from "./client-types.ts";
import type { Credential } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { Session } from "./session.ts";

/** Changes a name and password for a session where the registry has those, asks whose it is, and keeps it. */
export async function login(session: Session, credential: Credential, options: CallOptions): Promise<Account> {
  const api = new Api(session);
  const kept =
    credential.type === "basic" && session.registry.authType !== "basic"
      ? await api.passwordLogin(credential, options)
      : credential;
  const account = await asked(session, kept, () => api.whoami(kept, options));
  await session.credentials.set(session.registry.url, kept);
  session.override = undefined;
  return account;
}

/** Asks with a credential that is not kept yet: private packages have no description for whoever has none. */
async function asked<Result>(session: Session, credential: Credential, work: () => Promise<Result>): Promise<Result> {
  const before = session.override;
  session.override = credential;
  try {
    return await work();
  } finally {
    session.override = before;
  }
}

/** Gives the registry what its provider says of somebody, and keeps the session. */
export async function loginWithIdentity(
  session: Session,
  proof: IdentityProof,
  options: CallOptions,
): Promise<Account> {
  const api = new Api(session);
  const kept = await api.identityLogin(proof, options);
  const account = await api.whoami(kept, options);
  await session.credentials.set(session.registry.url, kept);
  session.override = undefined;
  return account;
}

/** Forgets the credential; whether there was one. A session ends at the registry as well. */
export async function logout(session: Session, options: CallOptions): Promise<boolean> {
  const credential = session.override ?? (await session.credentials.get(session.registry.url));
  if (!session.offline && credential?.type === "token" && isSessionToken(credential.token)) {
    await endSession(session, options);
  }
  session.override = undefined;
  return session.credentials.delete(session.registry.url);
}

// A session that cannot be ended on the registry's side expires by itself; the local copy goes in any case.
async function endSession(session: Session, options: CallOptions): Promise<void> {
  try {
    await new Api(session).endSession(options);
  } catch (error) {
    if (!(error instanceof RegistryClientError)) throw error;
    if (isAuthRefusal(error)) return;
    session.onEvent({
      type: "warning",
      code: error.code,
      message: `The session was not ended at the registry: ${error.message}`,
    });
  }
}

// JWTs are sessions; opaque tokens are revoked by name, not by logging out.
function isSessionToken(token: string): boolean {
  return token.split(".").length === 3;
}
