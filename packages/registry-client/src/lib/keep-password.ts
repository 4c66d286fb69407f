import type { CallOptions } from "./client-types.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { redactUrl } from "./registry-url.ts";
import type { Session } from "./session.ts";

/**
 * Refuses to send a password where the registry's description leads elsewhere. A password in a body is bound like a token in a
 * header: the description only locates, it must not choose who reads it.
 * @throws {RegistryClientError} `REGISTRY_REDIRECT_REFUSED`
 */
export async function keepPassword(session: Session, action: string, options: CallOptions): Promise<void> {
  const { registry } = session;
  const url = await session.apiUrl({ path: "auth/", action }, options);
  if (url.startsWith(registry.url)) return;
  throw new RegistryClientError({
    code: "REGISTRY_REDIRECT_REFUSED",
    message: `Cannot ${action}: the description of registry "${registry.name}" names an API at "${redactUrl(url)}", and a password goes nowhere but below "${redactUrl(registry.url)}"`,
    hint: "Configure that address if it is the registry's own",
    registry: registry.name,
  });
}
