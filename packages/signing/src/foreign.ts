export type { ContentDigests, SignedContent } from "./lib/foreign/content.ts";
export type { ForeignVerdict, ForeignVerdictCode } from "./lib/foreign/verdict.ts";
export {
  minisignKeyNumber,
  namesKey,
  parseMinisign,
  signMinisign,
  verifyMinisign,
  type MinisignSignature,
} from "./lib/foreign/minisign.ts";
export {
  SSH_NAMESPACE,
  parseSshSignature,
  signSshSignature,
  sshAllowedSigner,
  verifySshSignature,
  type SshSignature,
} from "./lib/foreign/sshsig.ts";
