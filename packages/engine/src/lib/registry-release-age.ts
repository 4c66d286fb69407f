import { canonicalName, isLadingError, parsePackageName, type IndexVersion } from "@lading/core-manifest";
import type { FoundPackage, RegistryClient } from "@lading/registry-client";
import type { Exclusion } from "@lading/resolver";
import type { EngineContext } from "./engine-context.ts";
import { duration } from "./release-rules.ts";

const DAY_MS = 86_400_000;
/**
 * Longer ages are not believed: a description is signed by nobody, and whoever answers in a registry's place could keep every
 * fix away by one. Within the bound it is told whenever it hides something.
 */
const LONGEST_MS = 30 * DAY_MS;

/** What a registry that stands before another one says of the age of what it gives out. */
interface ReleaseAge {
  /** Milliseconds. */
  readonly minimumAge: number;
  /** `name@version` in canonical spelling: given out though they are younger. */
  readonly except: ReadonlySet<string>;
}

type Review = (entry: IndexVersion) => readonly Exclusion[];

/** The release ages that registries demand of what they give out, each asked for once. */
export class RegistryReleaseAges {
  readonly #context: EngineContext;
  readonly #ages = new Map<RegistryClient, ReleaseAge | undefined>();
  readonly #told = new Set<RegistryClient>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** Which versions of a package its registry does not give out yet; `undefined` where it gives out any. */
  review(found: FoundPackage): Review | Promise<Review> | undefined {
    const { client } = found;
    if (!this.#ages.has(client)) return this.#load(client).then(() => this.#reviewOf(found) ?? (() => []));
    return this.#reviewOf(found);
  }

  async #load(client: RegistryClient): Promise<void> {
    this.#ages.set(client, await releaseAgeOf(client));
  }

  #reviewOf({ client, document }: FoundPackage): Review | undefined {
    const age = this.#ages.get(client);
    if (age === undefined) return undefined;
    const canonical = canonicalName(parsePackageName(document.name));
    const { name } = client.registry;
    return ({ version, published, status }) => {
      const ready = Date.parse(published) + age.minimumAge;
      if (ready <= this.#context.now() || age.except.has(`${canonical}@${version}`)) return [];
      if (status === "active") this.#tell(client, age, `${document.name} ${version}`);
      const until = new Date(ready).toISOString().replace(/\.\d+Z$/, "Z");
      const text = `registry "${name}" gives out nothing younger than ${duration(age.minimumAge)}, and this from ${until} on`;
      return [{ reason: "held", text, unlessLocked: true, until }];
    };
  }

  #tell(client: RegistryClient, { minimumAge }: ReleaseAge, example: string): void {
    if (this.#told.has(client)) return;
    this.#told.add(client);
    this.#context.onEvent({
      type: "info",
      message: `Registry "${client.registry.name}" says that it gives out nothing younger than ${duration(minimumAge)}: younger versions, such as ${example}, are passed over`,
    });
  }
}

async function releaseAgeOf(client: RegistryClient): Promise<ReleaseAge | undefined> {
  try {
    const { releaseAge } = await client.describe();
    if (releaseAge === undefined || releaseAge.minimumMs > LONGEST_MS) return undefined;
    return { minimumAge: releaseAge.minimumMs, except: new Set(releaseAge.except) };
  } catch (error) {
    // Without network and without a stored description nothing is downloaded from there either.
    if (isLadingError(error) && error.code === "REGISTRY_OFFLINE") return undefined;
    throw error;
  }
}
