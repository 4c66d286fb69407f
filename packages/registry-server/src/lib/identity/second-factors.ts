import type { Clock, MetadataStore } from "../ports.ts";
import type { Account, AuditEntry } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import type { SecondFactor } from "./identity-store.ts";
import { SecretBox } from "./secret-box.ts";
import { generateRecoveryCodes, generateTotpSecret, hashRecoveryCode, totpStep, totpUri } from "./totp.ts";

/** An enrolment that is to be confirmed. */
export interface Enrolment {
  /** In base 32. */
  readonly secret: string;
  /** For a QR code. */
  readonly uri: string;
}

function wrongCode(): RegistryError {
  return new RegistryError({
    code: "SECOND_FACTOR_INVALID",
    message: "Cannot accept the code: it is wrong, too old, or was used before",
    hint: "Wait for the next code, or use a recovery code",
  });
}

function hasNone({ username }: Account): RegistryError {
  return new RegistryError({
    code: "NOT_FOUND",
    message: `Cannot make recovery codes for "${username}": it has no second factor`,
    hint: "Add one first",
  });
}

/** Codes of authenticator applications (RFC 6238), and recovery codes for when they are lost. */
export class SecondFactors {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #box: SecretBox;
  readonly #issuer: string;

  constructor(options: {
    readonly metadata: MetadataStore;
    readonly clock: Clock;
    /** Secrets are sealed with a key of it. */
    readonly secret: Uint8Array;
    /** Shown by authenticators. */
    readonly issuer: string;
  }) {
    this.#metadata = options.metadata;
    this.#clock = options.clock;
    this.#box = new SecretBox(options.secret, "second factor");
    this.#issuer = options.issuer;
  }

  /** Whether the account is protected, and how many recovery codes are left. */
  async status(account: Account): Promise<{ readonly enabled: boolean; readonly recoveryCodes: number }> {
    const factor = await this.#metadata.identities.secondFactor(account.id);
    return { enabled: factor?.confirmed === true, recoveryCodes: factor?.recoveryCodes ?? 0 };
  }

  async isEnabled(account: Account): Promise<boolean> {
    return (await this.status(account)).enabled;
  }

  /** @throws {RegistryError} `SECOND_FACTOR_EXISTS` */
  async enrol(account: Account, audit: AuditEntry): Promise<Enrolment> {
    const secret = await generateTotpSecret();
    const sealed = await this.#box.seal(secret, account.id);
    if ((await this.#metadata.identities.enrolSecondFactor(account.id, sealed, audit)) === "exists") {
      throw new RegistryError({
        code: "SECOND_FACTOR_EXISTS",
        message: `Cannot add a second factor to "${account.username}": it has one`,
        hint: "Remove it first, with one of its codes",
      });
    }
    return { secret, uri: await totpUri(secret, { issuer: this.#issuer, account: account.username }) };
  }

  /**
   * Confirms an enrolment; the recovery codes are in this answer and nowhere else.
   * @throws {RegistryError} `SECOND_FACTOR_INVALID`
   */
  async confirm(account: Account, code: string, audit: AuditEntry): Promise<readonly string[]> {
    const factor = await this.#metadata.identities.secondFactor(account.id);
    const step = factor === undefined || factor.confirmed ? undefined : await this.#stepOf(account, factor, code);
    if (step === undefined) throw wrongCode();
    const codes = generateRecoveryCodes();
    const recoveryCodes = await Promise.all(codes.map(hashRecoveryCode));
    if (!(await this.#metadata.identities.confirmSecondFactor(account.id, { step, recoveryCodes }, audit)))
      throw wrongCode();
    return codes;
  }

  /**
   * Demands a code where the account is protected; each opens once.
   * @throws {RegistryError} `SECOND_FACTOR_REQUIRED`, `SECOND_FACTOR_INVALID`
   */
  async demand(account: Account, code: string | undefined, audit: AuditEntry): Promise<void> {
    const factor = await this.#metadata.identities.secondFactor(account.id);
    if (factor?.confirmed !== true) return;
    if (code === undefined || code === "") {
      throw new RegistryError({
        code: "SECOND_FACTOR_REQUIRED",
        message: `Cannot log in as "${account.username}" with a password alone`,
        hint: "Send the code of your authenticator, or a recovery code, as otp",
      });
    }
    if (!(await this.#opens(account, factor, { code, audit }))) throw wrongCode();
  }

  /**
   * New recovery codes in the place of all old ones; they are in this answer and nowhere else.
   * @throws {RegistryError} `NOT_FOUND` without a second factor, `SECOND_FACTOR_REQUIRED`, `SECOND_FACTOR_INVALID`
   */
  async renewCodes(account: Account, code: string, audit: AuditEntry): Promise<readonly string[]> {
    if (!(await this.isEnabled(account))) throw hasNone(account);
    await this.demand(account, code, { ...audit, action: "second-factor.recovery" });
    const codes = generateRecoveryCodes();
    const hashes = await Promise.all(codes.map(hashRecoveryCode));
    if (!(await this.#metadata.accounts.replaceRecoveryCodes(account.id, hashes, audit))) throw hasNone(account);
    return codes;
  }

  /** @throws {RegistryError} `SECOND_FACTOR_REQUIRED`, `SECOND_FACTOR_INVALID` */
  async remove(account: Account, code: string | undefined, audit: AuditEntry): Promise<boolean> {
    await this.demand(account, code, { ...audit, action: "second-factor.recovery" });
    return this.#metadata.identities.removeSecondFactor(account.id, audit);
  }

  async #opens(
    account: Account,
    factor: SecondFactor,
    { code, audit }: { readonly code: string; readonly audit: AuditEntry },
  ): Promise<boolean> {
    const { identities } = this.#metadata;
    const step = await this.#stepOf(account, factor, code);
    // The store decides which of two racing requests with one code is the first.
    if (step !== undefined) return identities.useStep(account.id, step);
    const recovery = { ...audit, action: "second-factor.recovery" };
    return identities.useRecoveryCode(account.id, await hashRecoveryCode(code), recovery);
  }

  async #stepOf(account: Account, factor: SecondFactor, code: string): Promise<number | undefined> {
    const secret = await this.#box.open(factor.secret, account.id);
    if (secret === undefined) {
      throw new RegistryError({
        code: "SECOND_FACTOR_INVALID",
        message: `Cannot check the code of "${account.username}": the server's secret is not the one that it was enrolled under`,
        hint: "Use a recovery code, or ask the operator: lading-registry admin remove-second-factor",
      });
    }
    return totpStep(secret, code, { now: this.#clock.now(), lastStep: factor.lastStep });
  }
}
