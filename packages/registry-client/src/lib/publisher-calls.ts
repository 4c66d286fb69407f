import type { ApiObject, CallOptions } from "./client-types.ts";
import { answerReader } from "./json.ts";
import type { Session } from "./session.ts";

function read(session: Session, action: string, body: unknown): ApiObject {
  return answerReader(action, session.registry.name).object(body, "the answer");
}

/** Sends a signed statement about a signing key; repeatable, since the registry takes each once. */
export async function sendKeyStatement(
  session: Session,
  envelope: Uint8Array,
  options: CallOptions,
): Promise<ApiObject> {
  const action = `give registry "${session.registry.name}" a statement about a signing key`;
  const body = { statement: Buffer.from(envelope).toString("base64") };
  const answer = await session.demand(
    { method: "POST", path: "keys/statements", body, action, repeatable: true },
    options,
  );
  return read(session, action, answer.body);
}

/** The signing keys of a publisher, with the statements that made them what they are. */
export async function publisherKeys(session: Session, account: string, options: CallOptions): Promise<ApiObject> {
  const action = `list the signing keys of "${account}"`;
  const path = `accounts/${encodeURIComponent(account)}/keys`;
  const answer = await session.demand({ method: "GET", path, action }, options);
  return read(session, action, answer.body);
}
