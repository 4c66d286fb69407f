/** A passkey of an account: a key pair that an authenticator keeps, whose public half is here (WebAuthn Level 3 §4). */
export interface Passkey {
  /** Id of the credential, in base64url. */
  readonly id: string;
  readonly accountId: string;
  /** What its owner calls it. */
  readonly name: string;
  /** COSE key, in base64url. */
  readonly publicKey: string;
  /** Signatures that the authenticator counted; 0 for those that do not count. */
  readonly counter: number;
  /** How clients reach the authenticator, as it told. */
  readonly transports: readonly string[];
  readonly created: number;
  readonly lastUsed?: number;
}

/** Where passkeys are good: what clients bind them to. */
export interface PasskeySite {
  /** `https://registry.example:8443`. */
  readonly origin: string;
  /** `registry.example`. */
  readonly rpId: string;
}
