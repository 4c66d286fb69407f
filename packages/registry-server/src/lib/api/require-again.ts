import type { CredentialAnswer } from "../identity/passkeys.ts";
import type { Account } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { limitLogins } from "./account-routes.ts";
import { principalOf } from "./access.ts";
import { auditEntry, type RouteContext, type Services } from "./context.ts";
import { passkeySite } from "./passkey-schemas.ts";

/** What a person gives to show once more that the account is theirs. */
export interface GivenAgain {
  readonly password?: string | undefined;
  /** Of the second factor. */
  readonly otp?: string | undefined;
  /** Answer of one of the account's passkeys, in the place of `otp`. */
  readonly passkey?: CredentialAnswer | undefined;
}

/** The caller's account as it is stored: what is remembered of a caller has no hash. */
export async function storedAccount(services: Services, context: RouteContext): Promise<Account> {
  const { account } = principalOf(context);
  return (await services.metadata.accountById(account.id)) ?? account;
}

async function requirePassword(
  services: Services,
  { username, passwordHash }: Account,
  password: string,
): Promise<void> {
  if (await services.hasher.verify(password, passwordHash)) return;
  throw new RegistryError({
    code: "CREDENTIALS_INVALID",
    message: `Cannot do this to account "${username}": its present password is not the one that was given`,
    hint: "Give the present password",
  });
}

/**
 * Demands what opens the account once more, so that whoever found a session open has nothing of it: the password where the
 * account has one here, and the second factor where it has one.
 * @throws {RegistryError} `CREDENTIALS_INVALID`, `SECOND_FACTOR_REQUIRED`, `SECOND_FACTOR_INVALID`, `PASSKEY_REFUSED`,
 * `RATE_LIMITED`
 */
export async function requireAgain(
  services: Services,
  context: RouteContext,
  { account, password = "", otp, passkey }: GivenAgain & { readonly account: Account },
): Promise<void> {
  await limitLogins(services, context, account.username);
  if (account.passwordHash !== "") await requirePassword(services, account, password);
  if (passkey !== undefined) {
    await services.passkeys.authenticate(passkey, { site: passkeySite(services), account });
    return;
  }
  const audit = auditEntry(services, context, { action: "second-factor.recovery" });
  await services.secondFactors.demand(account, otp, audit);
}

/**
 * Demands of an account that nothing else protects here an answer of a passkey that it has.
 * @throws {RegistryError} `SECOND_FACTOR_REQUIRED`
 */
export async function requireKnownPasskey(
  services: Services,
  { account, passkey }: GivenAgain & { readonly account: Account },
): Promise<void> {
  if (account.passwordHash !== "" || passkey !== undefined) return;
  if (await services.secondFactors.isEnabled(account)) return;
  if ((await services.passkeys.of(account)).length === 0) return;
  throw new RegistryError({
    code: "SECOND_FACTOR_REQUIRED",
    message: `Cannot add a passkey to "${account.username}" with a session alone: it has another`,
    hint: "Send the answer of a passkey that it has, as passkey",
  });
}
