import { LadingError, type ErrorCatalogue, type LadingErrorInit } from "@lading/core-manifest";

/** Codes of the registry server: what an answer's `code` can be, and why a server does not start. */
export type RegistryErrorCode =
  | "REQUEST_INVALID"
  | "INSTALL_REFUSED"
  | "MULTIPART_INVALID"
  | "MEDIA_TYPE_UNSUPPORTED"
  | "PAYLOAD_TOO_LARGE"
  | "AUTHENTICATION_REQUIRED"
  | "CREDENTIALS_INVALID"
  | "DIRECTORY_UNAVAILABLE"
  | "DIRECTORY_REFUSED"
  | "IDENTITY_TOKEN_REFUSED"
  | "ISSUER_UNAVAILABLE"
  | "OUTBOUND_REFUSED"
  | "SECOND_FACTOR_REQUIRED"
  | "SECOND_FACTOR_INVALID"
  | "SECOND_FACTOR_EXISTS"
  | "PASSKEY_REFUSED"
  | "PASSKEY_EXISTS"
  | "TRUSTED_PUBLISHER_EXISTS"
  | "CHANNEL_NOT_FOUND"
  | "CHANNEL_REQUIRED"
  | "TOKEN_INVALID"
  | "BASIC_AUTH_INSECURE"
  | "FORBIDDEN"
  | "NOT_OWNER"
  | "REGISTRATION_CLOSED"
  | "NOT_FOUND"
  | "PACKAGE_NOT_FOUND"
  | "VERSION_NOT_FOUND"
  | "BLOB_NOT_FOUND"
  | "CONTENT_REMOVED"
  | "REMOVAL_FINAL"
  | "USER_NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "VERSION_EXISTS"
  | "QUOTA_EXCEEDED"
  | "QUOTA_SUBJECT_NOT_FOUND"
  | "UPLOAD_NOT_FOUND"
  | "UPLOAD_OFFSET_MISMATCH"
  | "UPLOAD_INCOMPLETE"
  | "UPLOAD_CLOSED"
  | "UPLOAD_NOT_REDIRECTED"
  | "UPLOADS_EXCEEDED"
  | "USER_EXISTS"
  | "KEY_EXISTS"
  | "LAST_OWNER"
  | "ORGANISATION_NOT_FOUND"
  | "ORGANISATION_EXISTS"
  | "ORGANISATION_IN_USE"
  | "ACCOUNT_IN_USE"
  | "TEAM_NOT_FOUND"
  | "NOT_MEMBER"
  | "NAMESPACE_TAKEN"
  | "NAMESPACE_UNPROVEN"
  | "CONFIGURATION_NOT_FOUND"
  | "WEBHOOK_NOT_FOUND"
  | "WEBHOOK_LIMIT"
  | "DELIVERY_NOT_FOUND"
  | "INVITATION_CLOSED"
  | "TRANSFER_EXISTS"
  | "TRANSFER_CLOSED"
  | "CLAIM_REFUSED"
  | "CLAIM_CLOSED"
  | "PRECONDITION_FAILED"
  | "IDEMPOTENCY_KEY_IN_USE"
  | "IDEMPOTENCY_KEY_REUSED"
  | "NAME_RESERVED"
  | "NAME_CONFUSABLE"
  | "PACKAGE_REFUSED"
  | "BLOB_MISMATCH"
  | "RANGE_NOT_SATISFIABLE"
  | "STATEMENT_REFUSED"
  | "SIGNATURE_REQUIRED"
  | "SIGNER_UNKNOWN"
  | "KEY_REFUSED"
  | "KEY_HAS_HISTORY"
  | "KEY_STATEMENT_REFUSED"
  | "PUBLISHER_REFUSED"
  | "POLICY_REFUSED"
  | "PUBLICATION_REJECTED"
  | "REVIEW_NOT_FOUND"
  | "REVIEW_DECIDED"
  | "REVIEW_BLOCKED"
  | "REVIEWER_IS_PUBLISHER"
  | "UPSTREAM_UNAVAILABLE"
  | "UPSTREAM_REFUSED"
  | "MIRROR_READ_ONLY"
  | "NOT_MIRRORED"
  | "RELEASE_TOO_YOUNG"
  | "MIRROR_BUNDLE_INVALID"
  | "PROMOTION_REFUSED"
  | "RATE_LIMITED"
  | "UNAVAILABLE"
  | "INTERNAL"
  | "SERVER_CONFIG_INVALID"
  | "SERVER_CONFIG_CONTRADICTION"
  | "ACCESS_RULES_INVALID"
  | "SCHEMA_TOO_OLD"
  | "SCHEMA_TOO_NEW"
  | "DATABASE_UNUSABLE"
  | "STORAGE_UNUSABLE"
  | "STORAGE_FULL"
  | "DATA_DIRECTORY_IN_USE"
  | "DATA_DIRECTORY_UNUSABLE"
  | "DATA_DIRECTORY_NOT_EMPTY"
  | "BACKUP_DAMAGED"
  | "METADATA_DAMAGED"
  | "KEYS_UNUSABLE"
  | "ROOT_REFUSED"
  | "ADDRESS_UNAVAILABLE";

/** Explanations of {@link RegistryErrorCode}. */
export const REGISTRY_ERRORS: ErrorCatalogue<RegistryErrorCode> = {
  REQUEST_INVALID: {
    category: "usage",
    summary: "A request's path, query or JSON body breaks the published schema.",
    help: "Compare the request with /openapi.json; `errors` lists every field at fault.",
  },
  INSTALL_REFUSED: {
    category: "refused",
    summary: "The pack cannot be installed on the server's machine; nothing was changed.",
    help: "`reason` is the code of what is wrong, `errors` lists everything that is missing.",
  },
  MULTIPART_INVALID: {
    category: "usage",
    summary: "A publish request's multipart body is malformed, incomplete or out of order.",
    help: "Send `metadata`, then the optional `statement`, then `package`, each once.",
  },
  MEDIA_TYPE_UNSUPPORTED: {
    category: "usage",
    summary: "A request's content type is not one that the endpoint reads.",
    help: "Send `application/json` or, to publish, `multipart/form-data`.",
  },
  PAYLOAD_TOO_LARGE: {
    category: "refused",
    summary: "A request or a part of it is larger than the server accepts.",
    help: "Make the package smaller, or ask the operator to raise `REGISTRY_MAX_PACKAGE_SIZE`.",
  },
  AUTHENTICATION_REQUIRED: {
    category: "auth",
    summary: "The request needs credentials and carried none.",
    help: "Log in, or send `Authorization: Bearer <token>`.",
  },
  CREDENTIALS_INVALID: {
    category: "auth",
    summary: "User name and password do not match an account.",
    help: "Check both and log in again.",
  },
  DIRECTORY_UNAVAILABLE: {
    category: "io",
    summary: "The directory that knows the accounts does not answer.",
    help: "Try again; the operator checks `REGISTRY_LDAP_URL` and the directory.",
  },
  DIRECTORY_REFUSED: {
    category: "auth",
    summary: "The directory answered, but not so that somebody could be logged in.",
    help: "Tell the operator what `detail` says; it names the setting.",
  },
  IDENTITY_TOKEN_REFUSED: {
    category: "auth",
    summary:
      "A token of a build system or an identity provider does not hold, was used before, or is trusted by no package.",
    help: "Ask the issuer for a token whose audience is this registry; an owner adds the project as trusted publisher.",
  },
  ISSUER_UNAVAILABLE: {
    category: "io",
    summary: "The keys of an issuer of identity tokens cannot be had.",
    help: "Try again; the operator checks that the server reaches the issuer.",
  },
  OUTBOUND_REFUSED: {
    category: "refused",
    summary: "The server does not connect to an address: it is unknown, or not on the public Internet.",
    help: "Name a public http or https address; the operator allows hosts with `REGISTRY_OUTBOUND_ALLOW`.",
  },
  SECOND_FACTOR_REQUIRED: {
    category: "auth",
    summary: "The account is protected by a second factor, and the request brought none.",
    help: "Log in with the code of your authenticator, or with a recovery code.",
  },
  SECOND_FACTOR_INVALID: {
    category: "auth",
    summary: "The code of the second factor is wrong, too old, or was used before.",
    help: "Wait for the next code; check the clock of the device that shows it.",
  },
  SECOND_FACTOR_EXISTS: {
    category: "refused",
    summary: "The account has a second factor already.",
    help: "Remove it first, with one of its codes.",
  },
  PASSKEY_REFUSED: {
    category: "auth",
    summary: "A passkey, or what an authenticator said of one, is not accepted.",
    help: "Ask for new options and use the passkey on the registry's own address; the message says what did not hold.",
  },
  PASSKEY_EXISTS: {
    category: "refused",
    summary: "The passkey is registered already.",
    help: "Use it, or make another with another authenticator.",
  },
  TRUSTED_PUBLISHER_EXISTS: {
    category: "refused",
    summary: "The package trusts a publisher of the same issuer and claims already.",
    help: "Nothing is to be done; remove the old one to let another account publish for it.",
  },
  CHANNEL_NOT_FOUND: {
    category: "io",
    summary: "The package has no channel of that name.",
    help: "`channel list NAME` shows those that it has.",
  },
  CHANNEL_REQUIRED: {
    category: "refused",
    summary: "Channel `latest` cannot be removed.",
    help: "Let it name another version with `channel add NAME@VERSION latest`.",
  },
  TOKEN_INVALID: {
    category: "auth",
    summary: "A token is malformed, unknown, revoked or expired.",
    help: "Log in again, or create a new token.",
  },
  BASIC_AUTH_INSECURE: {
    category: "auth",
    summary: "A password was sent over a connection that others can read.",
    help: "Use HTTPS, a loopback address, or a token.",
  },
  FORBIDDEN: {
    category: "auth",
    summary: "The credentials are good but do not allow this.",
    help: "Use a token with the scope and package pattern that `detail` names.",
  },
  NOT_OWNER: {
    category: "auth",
    summary: "Only an owner of the package, or of its namespace, may do this.",
    help: "Ask an owner to add you with `PUT /api/v1/packages/{name}/owners/{user}`.",
  },
  REGISTRATION_CLOSED: {
    category: "auth",
    summary: "This server does not let people create their own accounts.",
    help: "Ask the operator for an account (`lading-registry admin create-user`).",
  },
  NOT_FOUND: {
    category: "io",
    summary: "Nothing is served at this address.",
    help: "Check the path against /openapi.json.",
  },
  PACKAGE_NOT_FOUND: {
    category: "io",
    summary: "The registry has no package of that name, or you may not read it.",
    help: "Check the spelling with a search.",
  },
  VERSION_NOT_FOUND: {
    category: "io",
    summary: "The package has no such version, or no file for that target.",
    help: "List the versions of the package.",
  },
  BLOB_NOT_FOUND: {
    category: "io",
    summary: "The registry has no file of that digest.",
    help: "Read the index document again; if it names this digest, the operator should run `admin verify`.",
  },
  CONTENT_REMOVED: {
    category: "refused",
    summary: "The registry removed a version: its number and digest stay, its files are sent to nobody.",
    help: "Choose another version; the message says why it was removed.",
  },
  REMOVAL_FINAL: {
    category: "refused",
    summary: "A removal cannot be undone: the version's files may be deleted already.",
    help: "Publish the package under a new version number.",
  },
  USER_NOT_FOUND: {
    category: "io",
    summary: "There is no account of that name.",
    help: "Check the spelling; accounts are created by registration or `admin create-user`.",
  },
  METHOD_NOT_ALLOWED: {
    category: "usage",
    summary: "The address exists, but not for this HTTP method.",
    help: "Use one of the methods in the `Allow` header.",
  },
  VERSION_EXISTS: {
    category: "refused",
    summary: "The version is published already with other content; a version never changes.",
    help: "Publish under a new version number.",
  },
  QUOTA_EXCEEDED: {
    category: "refused",
    summary: "The account, the organisation, the package or the registry holds as much as it may.",
    help: "`GET /api/v1/quotas/{subject}` shows what is held and allowed; ask the operator for a higher quota.",
  },
  QUOTA_SUBJECT_NOT_FOUND: {
    category: "refused",
    summary: "There is nothing of that name that has a quota, or it is not the caller's to see.",
    help: "Subjects are `registry`, `user:NAME`, `organisation:NAME` and `package:NAME`.",
  },
  UPLOAD_NOT_FOUND: {
    category: "refused",
    summary: "There is no such upload under way, or it belongs to another account, or it has expired.",
    help: "Open it again with `POST /api/v1/uploads`.",
  },
  UPLOAD_OFFSET_MISMATCH: {
    category: "refused",
    summary: "Bytes were sent for another place of an upload than where it goes on.",
    help: "Ask where it goes on with `HEAD /api/v1/uploads/{id}`, header `Upload-Offset`, and send from there.",
  },
  UPLOAD_INCOMPLETE: {
    category: "refused",
    summary: "An upload cannot be published while bytes of it are missing.",
    help: "Send what is missing, from `Upload-Offset` on.",
  },
  UPLOAD_CLOSED: {
    category: "refused",
    summary: "The upload is published and takes no more bytes.",
    help: "Open another upload for another package.",
  },
  UPLOAD_NOT_REDIRECTED: {
    category: "refused",
    summary: "This registry takes the bytes of uploads itself and gives no addresses of its storage.",
    help: "Send the bytes with `PATCH /api/v1/uploads/{id}`.",
  },
  UPLOADS_EXCEEDED: {
    category: "refused",
    summary: "The account has as many uploads under way as it may.",
    help: "Publish or end one of them with `DELETE /api/v1/uploads/{id}`, or wait until one expires.",
  },
  USER_EXISTS: {
    category: "refused",
    summary: "An account of that name exists.",
    help: "Choose another name, or log in.",
  },
  KEY_EXISTS: {
    category: "refused",
    summary: "The public key is registered with another account.",
    help: "Use a key of your own; one key belongs to one account.",
  },
  LAST_OWNER: {
    category: "refused",
    summary: "The last owner of a package cannot be removed.",
    help: "Add another owner first.",
  },
  ORGANISATION_NOT_FOUND: {
    category: "io",
    summary: "There is no organisation of that name.",
    help: "`GET /api/v1/organisations` lists them.",
  },
  ORGANISATION_EXISTS: {
    category: "refused",
    summary: "An organisation of that name exists, or the name is reserved.",
    help: "Choose another name, or ask one of its owners to invite you.",
  },
  ORGANISATION_IN_USE: {
    category: "refused",
    summary: "An organisation that has namespaces, or whose teams own packages, cannot be removed.",
    help: "Give its namespaces up and transfer its packages first.",
  },
  ACCOUNT_IN_USE: {
    category: "refused",
    summary: "The account cannot be deleted: a package, an organisation or the registry would have nobody left.",
    help: "Hand over what the message names, then delete the account.",
  },
  TEAM_NOT_FOUND: {
    category: "io",
    summary: "The organisation has no team of that name.",
    help: "`GET /api/v1/organisations/{organisation}` lists its teams.",
  },
  NOT_MEMBER: {
    category: "auth",
    summary: "Only members of the organisation, or those with a higher role in it, may do this or be given this.",
    help: "Ask one of its owners.",
  },
  NAMESPACE_TAKEN: {
    category: "refused",
    summary: "The namespace belongs to an organisation, or has packages of people who are not in yours.",
    help: "Ask them, or an admin of the registry.",
  },
  NAMESPACE_UNPROVEN: {
    category: "refused",
    summary: "What was brought does not show that the namespace is the organisation's to claim.",
    help: "`detail` and `hint` say which TXT record or token would.",
  },
  CONFIGURATION_NOT_FOUND: {
    category: "io",
    summary: "The organisation shares no configuration of that name, or none that the caller may read.",
    help: "Configurations that are not public are for members of the organisation.",
  },
  WEBHOOK_NOT_FOUND: {
    category: "io",
    summary: "There is no webhook of that id there.",
    help: "`webhook list` shows them with their ids.",
  },
  WEBHOOK_LIMIT: {
    category: "refused",
    summary: "The package, organisation or registry has as many webhooks as it may have.",
    help: "Remove one, or let one address hear of more events.",
  },
  DELIVERY_NOT_FOUND: {
    category: "io",
    summary: "The webhook has no delivery of that id.",
    help: "`webhook deliveries` shows them; they are kept for 30 days.",
  },
  INVITATION_CLOSED: {
    category: "refused",
    summary: "The invitation is for somebody else, was answered or revoked, or has expired.",
    help: "Ask an owner of the organisation for a new one.",
  },
  TRANSFER_EXISTS: {
    category: "refused",
    summary: "The package is offered to somebody already.",
    help: "Withdraw that offer first; `GET /api/v1/transfers` lists it.",
  },
  TRANSFER_CLOSED: {
    category: "refused",
    summary: "The offer of a package is for somebody else, was answered or withdrawn, or has expired.",
    help: "Ask its owner for a new one.",
  },
  CLAIM_REFUSED: {
    category: "refused",
    summary: "The name of the package cannot be claimed: it is in use, claimed already, or one's own.",
    help: "`detail` says from when on; ask its owners for a transfer meanwhile.",
  },
  CLAIM_CLOSED: {
    category: "refused",
    summary: "The claim is not one that may be decided so: it ended, or its waiting period is not over.",
    help: "`GET /api/v1/claims` shows where it stands.",
  },
  PRECONDITION_FAILED: {
    category: "refused",
    summary: "The resource is not any more what the request's `If-Match` says.",
    help: "Read it again, and repeat the change with its new `ETag` if it is still wanted.",
  },
  IDEMPOTENCY_KEY_IN_USE: {
    category: "refused",
    summary: "A request with the same `Idempotency-Key` is being answered at this moment.",
    help: "Wait for the seconds in `Retry-After` and send it again: the answer is kept.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    category: "usage",
    summary: "The `Idempotency-Key` belongs to an earlier request that said something else.",
    help: "Use a new key for every new request.",
  },
  NAME_RESERVED: {
    category: "refused",
    summary: "The package name is reserved.",
    help: "Choose another name.",
  },
  NAME_CONFUSABLE: {
    category: "refused",
    summary: "The package name looks like that of an existing package of somebody else.",
    help: "Choose a name that differs in more than separators and look-alike letters.",
  },
  PACKAGE_REFUSED: {
    category: "integrity",
    summary: "The uploaded file is not a package that the strict reader accepts, or its record breaks a rule.",
    help: "Pack it again with this release; `reason` names the archive rule.",
  },
  BLOB_MISMATCH: {
    category: "integrity",
    summary: "The uploaded bytes do not have the declared digest, size or tree.",
    help: "Upload again; if it persists, something between client and server alters bytes.",
  },
  RANGE_NOT_SATISFIABLE: {
    category: "usage",
    summary: "The requested byte range lies outside the file.",
    help: "Ask for a range below the size in `Content-Range`.",
  },
  STATEMENT_REFUSED: {
    category: "integrity",
    summary:
      "The signed statement is malformed, speaks of another package, or a registered key's signature on it does not hold.",
    help: "Sign the file that you publish, with the registered key; `reason` names the signing rule.",
  },
  SIGNATURE_REQUIRED: {
    category: "refused",
    summary: "This registry accepts signed packages only.",
    help: "Make a key with `keygen`, register it with `POST /api/v1/keys`, and publish with it.",
  },
  SIGNER_UNKNOWN: {
    category: "auth",
    summary: "The statement is signed by a key that is not registered with your account.",
    help: "Register the public key with `POST /api/v1/keys` first.",
  },
  KEY_REFUSED: {
    category: "usage",
    summary: "What was sent is not an Ed25519 public key.",
    help: "Send the `.pub` file that `keygen` wrote (SPKI PEM).",
  },
  KEY_HAS_HISTORY: {
    category: "refused",
    summary: "A key that statements in the log speak of cannot be removed.",
    help: "Revoke it with a signed statement: `key revoke`. What the log says of it stays.",
  },
  KEY_STATEMENT_REFUSED: {
    category: "refused",
    summary: "A signed statement about a key is malformed, for another log or account, or would have no effect.",
    help: "`reason` and `detail` say why; `GET /api/v1/accounts/{username}/keys` shows which keys are in use.",
  },
  PUBLISHER_REFUSED: {
    category: "auth",
    summary: "A rule about publishers names other accounts for this package than the one that publishes.",
    help: "Publish with an account that the rule names; `GET /api/v1/packages/{name}/policy` shows the package's own.",
  },
  POLICY_REFUSED: {
    category: "refused",
    summary: "A publication breaks a rule of this registry: its licence, or a name that is taken for another.",
    help: "Change what the message names; the operator's rules are in the file of `REGISTRY_POLICY`.",
  },
  PUBLICATION_REJECTED: {
    category: "refused",
    summary: "A reviewer rejected these very bytes before they were published.",
    help: "Publish a package without the fault, or answer with `review appeal`.",
  },
  REVIEW_NOT_FOUND: {
    category: "io",
    summary: "There is no such review, or it is not for you to see.",
    help: "`review list` shows those that concern you.",
  },
  REVIEW_DECIDED: {
    category: "refused",
    summary: "A step does not start from the state that a review is in.",
    help: "`review show` tells its state and who decided.",
  },
  REVIEW_BLOCKED: {
    category: "refused",
    summary: "What was published or changed since leaves no room for a publication that waited.",
    help: "Reject it; its publisher publishes under a new version number.",
  },
  REVIEWER_IS_PUBLISHER: {
    category: "auth",
    summary: "Nobody decides about what they published themselves, admins included.",
    help: "Ask another reviewer.",
  },
  UPSTREAM_UNAVAILABLE: {
    category: "io",
    summary: "A registry that this one mirrors or stands before does not answer.",
    help: "Try again later; what was fetched before is served without it.",
  },
  UPSTREAM_REFUSED: {
    category: "integrity",
    summary: "What an upstream registry serves is not what its signatures, its log or its digests say.",
    help: "Nothing of it is served. `reason` is the code of what does not hold; tell the upstream's operator.",
  },
  MIRROR_READ_ONLY: {
    category: "refused",
    summary: "The server is a mirror: it has no packages of its own, and no API of packages.",
    help: "Ask the registry that it mirrors, which `/.well-known/lading.json` names.",
  },
  NOT_MIRRORED: {
    category: "io",
    summary: "The upstream has this file, and this server does not hold or give out files of that package.",
    help: "Ask the operator to add the package to the mirror's list, or the upstream itself.",
  },
  PROMOTION_REFUSED: {
    category: "refused",
    summary: "A version cannot be promoted: one of the two registries refuses it, or what came is not what was stated.",
    help: "`reason` is the code of the registry that refused; the message names the registry.",
  },
  MIRROR_BUNDLE_INVALID: {
    category: "refused",
    summary: "A directory is not a bundle of a mirror, or was not finished.",
    help: "Make it again with `admin export-bundle`; `bundle.json` is written last.",
  },
  RELEASE_TOO_YOUNG: {
    category: "refused",
    summary: "The version was published too short a time ago to be given out.",
    help: "Use an older version, wait, or ask an administrator for an exception for this version.",
  },
  RATE_LIMITED: {
    category: "refused",
    summary: "Too many requests in too short a time.",
    help: "Wait for the seconds in `Retry-After`.",
  },
  UNAVAILABLE: {
    category: "io",
    summary: "The server is shutting down or a part of it is down.",
    help: "Try again; `GET /api/v1/health` says which part.",
  },
  INTERNAL: {
    category: "internal",
    summary: "A fault of the server.",
    help: "Report it with the trace id.",
  },
  SERVER_CONFIG_INVALID: {
    category: "usage",
    summary: "A setting of the server has a value that is not allowed, or is unknown.",
    help: "`lading-registry --help` lists every setting with its form and default.",
  },
  SERVER_CONFIG_CONTRADICTION: {
    category: "usage",
    summary: "Two settings of the server demand opposite things.",
    help: "Remove one of the two.",
  },
  ACCESS_RULES_INVALID: {
    category: "usage",
    summary: "A rule about access is misspelt, or two rules of equal rank match the same names.",
    help: "The message names file and line; `docs/spec/access.md` describes every key.",
  },
  SCHEMA_TOO_OLD: {
    category: "refused",
    summary: "The database was written by an older release.",
    help: "Back up the data directory, then run `lading-registry migrate`.",
  },
  SCHEMA_TOO_NEW: {
    category: "refused",
    summary: "The database was written by a newer release.",
    help: "Run the newer release, or restore the backup made before the upgrade.",
  },
  DATABASE_UNUSABLE: {
    category: "io",
    summary: "The PostgreSQL database cannot be reached, or is not one that the registry can use.",
    help: "Check `DATABASE_URL`, the database's version (15 or later) and encoding (UTF8), and the rights of its user.",
  },
  STORAGE_FULL: {
    category: "io",
    summary: "The disk, database or bucket of the registry has no room left; nothing was changed.",
    help: "Its operator has to make room; then send the same request again.",
  },
  STORAGE_UNUSABLE: {
    category: "io",
    summary: "The S3 bucket cannot be reached, read or written.",
    help: "Check `S3_BUCKET_NAME`, `S3_REGION`, `S3_ENDPOINT_URL` and the credentials in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.",
  },
  DATA_DIRECTORY_IN_USE: {
    category: "refused",
    summary: "Another server process uses the data directory.",
    help: "Stop it first, or give this one another `--data`.",
  },
  DATA_DIRECTORY_UNUSABLE: {
    category: "io",
    summary: "The data directory cannot be created, read or written.",
    help: "Check the path, its owner and the free space.",
  },
  DATA_DIRECTORY_NOT_EMPTY: {
    category: "refused",
    summary: "A backup would be written or restored over a registry.",
    help: "Name a new directory, or move the old one away.",
  },
  BACKUP_DAMAGED: {
    category: "integrity",
    summary: "A backup is unfinished, or bytes that belong into it are missing or altered.",
    help: "Use another backup; where the registry itself is damaged, `admin verify` lists everything that is wrong.",
  },
  METADATA_DAMAGED: {
    category: "integrity",
    summary: "A stored file of signed metadata or of the transparency log is not what the server wrote.",
    help: "Check the disk, then run `lading-registry admin rebuild-index`: it makes these files again from the database.",
  },
  KEYS_UNUSABLE: {
    category: "io",
    summary: "A key or root that the server signs with is missing, damaged, or its passphrase is wrong.",
    help: "Put the directory `keys` back from a backup, and set `REGISTRY_KEY_PASSPHRASE` where the keys are encrypted.",
  },
  ROOT_REFUSED: {
    category: "refused",
    summary: "A root that should be installed does not follow the one in force, or signatures on it are missing.",
    help: "`lading-registry admin keys status FILE` says who has signed and who still must.",
  },
  ADDRESS_UNAVAILABLE: {
    category: "io",
    summary: "The server cannot listen on its address: the port is taken, or the address is not this machine's.",
    help: "Choose another `--port` (`REGISTRY_PORT`) or `--host` (`REGISTRY_HOST`), or stop the process that has it.",
  },
};

/** An error of the registry server. `details` never holds a secret. */
export class RegistryError extends LadingError<RegistryErrorCode> {
  constructor(init: LadingErrorInit<RegistryErrorCode>) {
    super(REGISTRY_ERRORS, init);
  }
}

const STATUS: Partial<Record<RegistryErrorCode, number>> = {
  REQUEST_INVALID: 400,
  INSTALL_REFUSED: 400,
  MULTIPART_INVALID: 400,
  KEY_REFUSED: 400,
  AUTHENTICATION_REQUIRED: 401,
  CREDENTIALS_INVALID: 401,
  TOKEN_INVALID: 401,
  DIRECTORY_REFUSED: 401,
  IDENTITY_TOKEN_REFUSED: 401,
  SECOND_FACTOR_REQUIRED: 401,
  SECOND_FACTOR_INVALID: 401,
  BASIC_AUTH_INSECURE: 401,
  FORBIDDEN: 403,
  NOT_OWNER: 403,
  NOT_MEMBER: 403,
  REGISTRATION_CLOSED: 403,
  SIGNER_UNKNOWN: 403,
  PUBLISHER_REFUSED: 403,
  REVIEWER_IS_PUBLISHER: 403,
  REVIEW_NOT_FOUND: 404,
  REVIEW_DECIDED: 409,
  REVIEW_BLOCKED: 409,
  POLICY_REFUSED: 422,
  PUBLICATION_REJECTED: 422,
  NOT_FOUND: 404,
  PACKAGE_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  BLOB_NOT_FOUND: 404,
  USER_NOT_FOUND: 404,
  ORGANISATION_NOT_FOUND: 404,
  TEAM_NOT_FOUND: 404,
  CONFIGURATION_NOT_FOUND: 404,
  WEBHOOK_NOT_FOUND: 404,
  WEBHOOK_LIMIT: 409,
  DELIVERY_NOT_FOUND: 404,
  INVITATION_CLOSED: 410,
  TRANSFER_CLOSED: 410,
  CLAIM_CLOSED: 409,
  CLAIM_REFUSED: 409,
  TRANSFER_EXISTS: 409,
  METHOD_NOT_ALLOWED: 405,
  VERSION_EXISTS: 409,
  QUOTA_EXCEEDED: 403,
  QUOTA_SUBJECT_NOT_FOUND: 404,
  UPLOAD_NOT_FOUND: 404,
  UPLOAD_OFFSET_MISMATCH: 409,
  UPLOAD_INCOMPLETE: 409,
  UPLOAD_CLOSED: 409,
  UPLOAD_NOT_REDIRECTED: 409,
  UPLOADS_EXCEEDED: 429,
  USER_EXISTS: 409,
  SECOND_FACTOR_EXISTS: 409,
  PASSKEY_REFUSED: 401,
  PASSKEY_EXISTS: 409,
  TRUSTED_PUBLISHER_EXISTS: 409,
  CHANNEL_NOT_FOUND: 404,
  CHANNEL_REQUIRED: 409,
  KEY_EXISTS: 409,
  LAST_OWNER: 409,
  ORGANISATION_EXISTS: 409,
  ORGANISATION_IN_USE: 409,
  ACCOUNT_IN_USE: 409,
  NAMESPACE_TAKEN: 409,
  NAMESPACE_UNPROVEN: 422,
  KEY_HAS_HISTORY: 409,
  IDEMPOTENCY_KEY_IN_USE: 409,
  PRECONDITION_FAILED: 412,
  NAME_RESERVED: 409,
  NAME_CONFUSABLE: 409,
  PAYLOAD_TOO_LARGE: 413,
  MEDIA_TYPE_UNSUPPORTED: 415,
  RANGE_NOT_SATISFIABLE: 416,
  REMOVAL_FINAL: 409,
  CONTENT_REMOVED: 451,
  PACKAGE_REFUSED: 422,
  BLOB_MISMATCH: 422,
  STATEMENT_REFUSED: 422,
  KEY_STATEMENT_REFUSED: 422,
  SIGNATURE_REQUIRED: 422,
  OUTBOUND_REFUSED: 422,
  IDEMPOTENCY_KEY_REUSED: 422,
  RATE_LIMITED: 429,
  UNAVAILABLE: 503,
  STORAGE_FULL: 507,
  DIRECTORY_UNAVAILABLE: 503,
  ISSUER_UNAVAILABLE: 503,
  UPSTREAM_UNAVAILABLE: 502,
  UPSTREAM_REFUSED: 502,
  MIRROR_READ_ONLY: 403,
  NOT_MIRRORED: 404,
  RELEASE_TOO_YOUNG: 403,
};

/** HTTP status of a code; codes of start-up, which no answer carries, count as 500. */
export function statusOf(code: RegistryErrorCode): number {
  return STATUS[code] ?? 500;
}
