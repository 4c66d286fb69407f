import {
  isLadingError,
  type Diagnostic,
  type EcosystemProfile,
  type LadingError,
  type LadingEvent,
} from "@lading/core-manifest";
import type { InstallRecord } from "@lading/installer";
import { createContext } from "./context.ts";
import { makeDirectory } from "./files.ts";
import { looksLikeGit } from "./git.ts";
import { install } from "./operations/install.ts";
import type { ValidationResult } from "./validation.ts";

/** Where a service installs, and for whom. */
export interface InstallServiceOptions {
  readonly profile: EcosystemProfile;
  /** Absolute; made when the first pack comes. Manifest, lock and packs are in it. */
  readonly directory: string;
  /** The ecosystem's variables count in it. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly home?: string | undefined;
  /** Address of the registry that names are looked up in. */
  readonly registry?: (() => string) | undefined;
}

/** A pack to install, as a server asks for it. */
export interface ServiceRequest {
  readonly source: string;
  readonly ref?: string;
  readonly checksum?: string;
  readonly skipDependencies: boolean;
  readonly skipTests: boolean;
}

/** What came of it; an expected refusal has changed nothing. */
export type ServiceAnswer =
  | { readonly ok: true; readonly packs: readonly ServicePack[]; readonly validation?: ValidationResult }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly problems: readonly string[];
      readonly validation?: ValidationResult;
    };

/** One pack that is installed now. */
export type ServicePack = Pick<InstallRecord, "name" | "version" | "source" | "checksum" | "installed" | "direct">;

/** The form that `@lading/registry-server` takes as its `InstallService`. */
export interface EngineInstallService {
  install(
    request: ServiceRequest,
    options: { readonly onEvent: (event: LadingEvent) => void; readonly signal: AbortSignal },
  ): Promise<ServiceAnswer>;
}

/**
 * Installs packs for others, such as a server's `/packs/install`: into one directory, from registries, Git and archives
 * of https: addresses. Files and directories of the machine are not for whoever asks over a network.
 */
export function createInstallService(options: InstallServiceOptions): EngineInstallService {
  return {
    async install(request, { onEvent, signal }) {
      const refused = problemOfSource(request);
      if (refused !== undefined) return refuse("SPEC_INVALID", refused, [refused]);
      await makeDirectory(options.directory);
      const { profile, directory, env, home, registry } = options;
      const context = createContext({
        profile,
        cwd: directory,
        onEvent,
        signal,
        ...(env === undefined ? {} : { env }),
        ...(home === undefined ? {} : { home }),
        ...(registry === undefined ? {} : { registry: registry() }),
      });
      try {
        const { source, ref, checksum, skipDependencies, skipTests } = request;
        const spec = ref === undefined ? source : `${source}#${ref}`;
        const done = await install({ specs: [spec], checksum, skipDependencies, skipTests }, context);
        const { result, validation } = done.install!;
        return {
          ok: true,
          packs: result.generation.packages.map(packOf),
          ...(validation === undefined ? {} : { validation }),
        };
      } catch (error) {
        if (!isLadingError(error) || error.category === "internal") throw error;
        return answerOf(error);
      } finally {
        await context.close();
      }
    },
  };
}

function problemOfSource({ source, ref }: ServiceRequest): string | undefined {
  const remote =
    /^(?:https:\/\/|ssh:\/\/|git\+(?:https|ssh):\/\/)/i.test(source) || /^[^/\s@]+@[^/\s@:]+:[^\s/]/.test(source);
  const name =
    /^@?[a-z0-9][\w.-]*(?:\/[a-z0-9][\w.-]*)?(?:@[^/\\]+)?$/i.test(source) &&
    !/\.(?:zip|tgz|tar(?:\.\w+)?)$/i.test(source);
  if (!remote && !name)
    return `Cannot install "${source}": allowed are a name of the registry, a Git address and an https: address of an archive`;
  if (ref !== undefined && !looksLikeGit(source)) return `Cannot use reference "${ref}": "${source}" is no Git address`;
  return undefined;
}

function packOf({ name, version, source, checksum, installed, direct }: InstallRecord): ServicePack {
  return { name, version, source, installed, direct, ...(checksum === undefined ? {} : { checksum }) };
}

function refuse(code: string, message: string, problems: readonly string[]): Extract<ServiceAnswer, { ok: false }> {
  return { ok: false, code, message, problems };
}

function answerOf(error: LadingError): ServiceAnswer {
  const { validation, diagnostics, explanation } = error.details as {
    validation?: ValidationResult;
    diagnostics?: readonly Diagnostic[];
    /** Why no versions fit, line by line. */
    explanation?: string;
  };
  const lines = explanation?.split("\n").filter((line) => line.trim() !== "");
  const problems = validation?.errors ?? diagnostics?.map(({ message }) => message) ?? lines ?? [error.message];
  const message = explanation === undefined ? error.message : `${error.message}\n${explanation}`;
  return {
    ...refuse(error.code, message, problems),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(validation === undefined ? {} : { validation }),
  };
}
